//! What an argument is for, given what the tool does.

use super::super::words::{Families, Nouns};
use super::super::{Effect, Role};
use super::schema::Argument;
use super::sort::{self, Sort};
use super::{Tool, text};

/// The role of an argument.
pub(super) fn of(argument: &Argument, tool: &Tool, effect: Effect, doubts: &mut Vec<String>) -> Role {
    let sort = sort::of(argument);
    if argument.kinds.only_boolean() {
        return flag(argument, effect);
    }
    // Members that no schema names, of what is made or changed: content.
    if argument.pattern.ends_with("/*")
        && matches!(
            argument.tokens.last().map(String::as_str),
            Some("properties" | "fields" | "attributes" | "values")
        )
        && matches!(tool.home(), Families::CREATE | Families::UPDATE)
        && !effect.is_grave()
    {
        return Role::Payload;
    }
    if effect == Effect::Payment && names_account(argument) {
        return Role::Payee;
    }
    let role = if effect.only_reads() {
        reading(sort, argument, tool, effect)
    } else {
        acting(sort, argument, tool, effect)
    };
    role.unwrap_or_else(|| unknown(argument, tool, effect, doubts))
}

/// A switch: rights and force matter, the rest does not.
fn flag(argument: &Argument, effect: Effect) -> Role {
    const RIGHTS: &str = "force|recursive|public|admin|private|overwrite|all|sudo|elevated|hard|permanent|\
        insecure|unsafe|allow|privileged|anyone|external|bypass|share|write|execute|root|\
        enabled|grant|send|visible|anonymous|approve|purge|cascade";
    let matters = argument.tokens.iter().any(|token| text::is_some(token, RIGHTS));
    if matters && !effect.only_reads() { Role::Privilege } else { Role::Harmless }
}

/// Whether its description says it is where money goes.
fn names_account(argument: &Argument) -> bool {
    let source = "from_account|source account|your account|sender|debit account|from which|\
        paying account";
    let told = "iban|account number|wallet address|bank account|recipient account|payee";
    let own = argument
        .tokens
        .first()
        .is_some_and(|first| matches!(first.as_str(), "from" | "source" | "sender" | "debit"));
    !argument.kinds.only_number()
        && !own
        && text::says(&argument.remark, told)
        && !text::says(&argument.remark, source)
}

/// A tool that only reads: what it is pointed at matters, what it searches for does not.
fn reading(sort: Sort, argument: &Argument, tool: &Tool, effect: Effect) -> Option<Role> {
    let searches = text::is(
        tool.verb.word.as_str(),
        "search|find|list|filter|query|lookup|count|browse|discover|recommend|suggest",
    );
    Some(match sort {
        Sort::Secret => Role::Credential,
        Sort::Code if argument.kinds.only_number() => Role::Harmless,
        Sort::Code if calculates(tool) => Role::Harmless,
        Sort::Code => Role::Code,
        // A filter of names and values is no program.
        Sort::Query if argument.kinds.structure() => Role::Harmless,
        Sort::Query if tool.queries_data() && !argument.listed => Role::Code,
        Sort::Query | Sort::Payload if effect == Effect::EgressRead => Role::Payload,
        Sort::Url => Role::Url,
        Sort::Payee | Sort::PartyId => Role::Resource,
        Sort::Party if searches && !text::is_some(last(argument), PLACES) => Role::Harmless,
        Sort::Party => Role::Resource,
        Sort::Resource if argument.listed => Role::Harmless,
        Sort::Resource
            if argument.kinds.only_number()
                && matches!(last(argument), "page" | "head" | "tail" | "index" | "range") =>
        {
            Role::Harmless
        }
        Sort::Resource
            if matches!(last(argument), "destination" | "target")
                && tool.arguments.iter().any(|a| matches!(last(a), "origin" | "departure")) =>
        {
            Role::Harmless
        }
        Sort::Resource if searches && text::is_some(last(argument), "filename|name") => Role::Harmless,
        Sort::Resource => Role::Resource,
        Sort::Label if searches || argument.listed => Role::Harmless,
        Sort::Label if text::is_some(last(argument), "name|title") => Role::Resource,
        Sort::CodeArguments | Sort::None => return None,
        Sort::Sender
        | Sort::Amount
        | Sort::Time
        | Sort::Privilege
        | Sort::Thing
        | Sort::Label
        | Sort::Payload
        | Sort::Query
        | Sort::Harmless
        | Sort::Filter
        | Sort::Profile
        | Sort::Place => Role::Harmless,
    })
}

/// Parties that hold things to read.
const PLACES: &str = "channel|group|room|chat|team|conversation|mailbox|user|username|owner|account|\
        subreddit";

/// A tool that does more than read.
fn acting(sort: Sort, argument: &Argument, tool: &Tool, effect: Effect) -> Option<Role> {
    let dangerous =
        matches!(effect, Effect::Destructive | Effect::Execute | Effect::Payment | Effect::Credential);
    let numbers = argument.kinds.only_number();
    Some(match sort {
        // What is traded, not what opens doors.
        Sort::Secret
            if effect == Effect::Payment
                && last(argument) == "token"
                && tool.named("token|crypto|coin|swap") =>
        {
            Role::Resource
        }
        Sort::Secret => Role::Credential,
        Sort::Code if numbers => Role::Harmless,
        // What opens a door or silences an alarm.
        Sort::Code
            if last(argument) == "code" && tool.named("alarm|lock|door|safe|gate|garage|unlock|disarm") =>
        {
            Role::Credential
        }
        Sort::Code
            if effect != Effect::Execute
                && matches!(last(argument), "code" | "snippet" | "function" | "formula") =>
        {
            Role::Payload
        }
        Sort::Code => Role::Code,
        Sort::CodeArguments if effect == Effect::Execute => Role::Code,
        Sort::Query if effect == Effect::Execute && (tool.queries_data() || last(argument) == "query") => {
            Role::Code
        }
        Sort::Query if matches!(effect, Effect::Destructive | Effect::Payment) => Role::Resource,
        Sort::Url => Role::Url,
        Sort::Payee => Role::Payee,
        Sort::Party | Sort::PartyId => return Some(party(sort, argument, tool, effect)),
        Sort::Sender => Role::Resource,
        Sort::Amount => Role::Amount,
        Sort::Time => Role::Time,
        Sort::Privilege => Role::Privilege,
        Sort::Resource if argument.listed && !dangerous => Role::Harmless,
        Sort::Resource if made_of(argument, tool) => Role::Payload,
        Sort::Resource => resource(argument, tool),
        Sort::Thing if argument.listed => Role::Harmless,
        Sort::Thing if tool.home() == Families::CREATE && effect != Effect::Payment => Role::Weak,
        Sort::Thing => Role::Resource,
        Sort::Label => label(argument, tool, effect),
        Sort::Payload if dangerous && numbers => Role::Amount,
        Sort::Payload => Role::Payload,
        Sort::Harmless => Role::Harmless,
        Sort::Filter
            if argument.listed
                || numbers
                || matches!(last(argument), "currency" | "language" | "mode" | "type") =>
        {
            Role::Harmless
        }
        Sort::Filter | Sort::Profile => Role::Weak,
        Sort::Place
            if matches!(effect, Effect::Payment)
                || argument.tokens.iter().any(|t| t == "shipping" || t == "delivery") =>
        {
            Role::Party
        }
        Sort::Place
            if effect == Effect::WriteOutbound
                && last(argument) == "address"
                && text::says(&argument.remark, "email|recipient") =>
        {
            Role::Party
        }
        Sort::Place if tool.named("event|meeting|appointment|calendar") => Role::Payload,
        Sort::Place if tool.name_nouns.meets(Nouns::TRANSPORT) => Role::Resource,
        Sort::Place => Role::Weak,
        Sort::Query | Sort::CodeArguments | Sort::None => return None,
    })
}

/// Somebody, or a place where people read.
fn party(sort: Sort, argument: &Argument, tool: &Tool, effect: Effect) -> Role {
    let is = |any: &str| argument.tokens.iter().any(|token| text::is_some(token, any));
    if effect == Effect::Payment {
        let source = argument.tokens.first().is_some_and(|t| matches!(t.as_str(), "from" | "source"));
        return match () {
            () if source => Role::Resource,
            () if is("to|recipient|receiver|account|handle|wallet") => Role::Payee,
            () if sort == Sort::PartyId => Role::Resource,
            () => Role::Party,
        };
    }
    if tool.is_repository_owner(argument) {
        return Role::Resource;
    }
    if is("phone|mobile|telephone") && tool.home() == Families::UPDATE {
        return Role::Weak;
    }
    if is("account") && !matches!(effect, Effect::WriteOutbound) {
        return Role::Resource;
    }
    // What is made is called by this name.
    let created =
        tool.home() == Families::CREATE && tool.named(last(argument)) && is("channel|group|team|room|chat");
    if created && sort == Sort::Party && !argument.kinds.container {
        return Role::Label;
    }
    let reaches = effect == Effect::WriteOutbound;
    if sort == Sort::PartyId && !reaches && !is("assignee") { Role::Resource } else { Role::Party }
}

/// Whole records that a making or changing tool is given.
fn made_of(argument: &Argument, tool: &Tool) -> bool {
    let kinds = argument.kinds;
    kinds.structure() && matches!(tool.home(), Families::CREATE | Families::UPDATE)
}

/// Something that is acted on; on a tool that makes one, what it will be called.
fn resource(argument: &Argument, tool: &Tool) -> Role {
    let creates = matches!(tool.home(), Families::CREATE);
    let last = last(argument);
    let before = argument.tokens.len().checked_sub(2).and_then(|at| argument.tokens.get(at));
    let made = creates
        && match last {
            "filename" => true,
            "name" => before.is_some_and(|owner| owner == "file" || tool.named(owner)),
            _ => false,
        };
    let words_only = matches!(last, "text" | "value" | "list");
    if made && !words_only { Role::Label } else { Role::Resource }
}

/// A name or title: of something new, or of what is acted on.
fn label(argument: &Argument, tool: &Tool, effect: Effect) -> Role {
    let names = text::is_some(last(argument), "name|title|label|alias|tag");
    let renames = argument.tokens.iter().any(|t| t == "new" || t == "display");
    if !names || renames {
        return Role::Label;
    }
    let makes = matches!(tool.home(), Families::CREATE | Families::SEND | Families::POST)
        && effect != Effect::Destructive;
    let pointed_elsewhere = tool.arguments.iter().any(|other| {
        let ids = "id|uuid|guid|uid|key|path|number|slug|arn|sha|email|user|username|iban";
        other.pattern != argument.pattern && text::is_some(last(other), ids)
    });
    let changes =
        matches!(tool.home(), Families::UPDATE | Families::RESCHEDULE | Families::BOOK | Families::PAY)
            && pointed_elsewhere;
    let nested = argument.pattern.matches('/').count() > 1;
    if makes || changes || nested && effect != Effect::Destructive { Role::Label } else { Role::Resource }
}

/// Nothing told what it is for.
fn unknown(argument: &Argument, tool: &Tool, effect: Effect, doubts: &mut Vec<String>) -> Role {
    let dangerous = matches!(
        effect,
        Effect::Destructive | Effect::Execute | Effect::Payment | Effect::Credential | Effect::Unknown
    );
    if argument.listed {
        return Role::Harmless;
    }
    if argument.kinds.only_number() {
        return match effect {
            Effect::Payment => Role::Amount,
            _ if dangerous => Role::Weak,
            _ => Role::Harmless,
        };
    }
    if !dangerous {
        return Role::Weak;
    }
    doubts.push(format!(
        "nothing tells what `{}` of `{}` is for: taken as what is acted on",
        argument.pattern,
        tool.tokens.join("_")
    ));
    Role::Resource
}

fn calculates(tool: &Tool) -> bool {
    text::is(tool.verb.word.as_str(), "calculate|compute|count|parse|format|validate|explain")
}

fn last(argument: &Argument) -> &str {
    argument.tokens.last().map(String::as_str).unwrap_or_default()
}
