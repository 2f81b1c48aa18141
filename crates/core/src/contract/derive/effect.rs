//! What a tool does, by its verb, nouns, arguments and description. Every step may raise what stands, none
//! lowers it.

use serde_json::Value;

use super::super::words::{Families, Nouns};
use super::super::{Effect, words};
use super::sort::{self, Sort};
use super::{Tool, text};

/// The effect of a tool.
pub(super) fn of(tool: &mut Tool, annotations: Option<&Value>) -> Effect {
    let shape = Shape::of(tool);
    let mut effect = by_name(tool, &shape);
    if let Some(also) = by_description(&tool.description)
        && also > effect
    {
        let (from, to) = (effect.as_str(), also.as_str());
        tool.doubts.push(format!("its name says {from}, its description tells of more: taken as {to}"));
        effect = also;
    }
    raised_by_hints(tool, effect, annotations)
}

/// The families of a verb that an effect can carry, and those that the effect implies.
pub(super) fn families(tool: &Tool, effect: Effect) -> Families {
    if effect.only_reads() {
        return Families::READ;
    }
    // *Purchase a flight* is what a request for it may say, too.
    let told = if effect.is_grave() { Families::NONE } else { tool.described.without(Families::DELETE) };
    let mut families = tool.verb.families.and(told);
    // `create_or_update_file` does either.
    for (word, next) in tool.tokens.iter().zip(tool.tokens.iter().skip(1)) {
        if matches!(word.as_str(), "or" | "and") && !effect.is_grave() {
            families =
                families.and(words::base_verb(next).unwrap_or(Families::NONE).without(Families::DELETE));
        }
    }
    if families != Families::READ {
        families = families.without(Families::READ);
    }
    match effect {
        Effect::Payment => families = families.and(Families::PAY),
        Effect::Execute if families.is_empty() => families = Families::RUN,
        _ => {}
    }
    if effect != Effect::Payment && families != Families::PAY {
        families = families.without(Families::PAY);
    }
    // Whoever asks to have something bought asks for the basket, too.
    if tool.named("cart|basket|bag") && effect == Effect::WriteInternal {
        families = families.and(Families::PAY).and(Families::BOOK);
    }
    if tool.named("participant|attendee|member|guest|collaborator|invitee|user|people")
        && families.meets(Families::CREATE.and(Families::UPDATE).and(Families::INVITE))
        && text::is(tool.verb.word.as_str(), "add|include|bring|register|enroll|join")
    {
        families = families.and(Families::INVITE).and(Families::SHARE);
    }
    families
}

/// What the arguments are, without regard to the tool.
#[expect(clippy::struct_excessive_bools, reason = "one flag for each sort that bears on the effect")]
struct Shape {
    party: bool,
    url: bool,
    code: bool,
    payee: bool,
    amount: bool,
    secret: bool,
    /// It takes queries to a database.
    queries: bool,
    /// It takes an account by its number.
    account: bool,
}

impl Shape {
    fn of(tool: &Tool) -> Self {
        let any = |sorts: &[Sort]| {
            tool.arguments.iter().any(|a| !a.kinds.only_boolean() && sorts.contains(&sort::of(a)))
        };
        let database = tool.queries_data();
        let asks = |sorts: &[Sort]| {
            tool.arguments.iter().any(|a| !a.kinds.structure() && sorts.contains(&sort::of(a)))
        };
        let query = database && asks(&[Sort::Query]);
        let account = |a: &super::Argument| {
            text::says(&a.remark, "iban|account number|bank account|wallet address")
                || a.tokens
                    .iter()
                    .any(|t| matches!(t.as_str(), "recipient" | "receiver" | "payee" | "to" | "beneficiary"))
        };
        Self {
            party: tool.arguments.iter().any(|a| {
                sort::of(a) == Sort::Party && !tool.is_repository_owner(a) && !a.kinds.only_boolean()
            }),
            url: any(&[Sort::Url]),
            code: any(&[Sort::Code]) || query,
            payee: any(&[Sort::Payee]) || tool.arguments.iter().any(account),
            amount: any(&[Sort::Amount]),
            secret: any(&[Sort::Secret]),
            queries: database && (asks(&[Sort::Query]) || any(&[Sort::Code])),
            account: any(&[Sort::Payee]),
        }
    }
}

fn by_name(tool: &mut Tool, shape: &Shape) -> Effect {
    let home = tool.home();
    if home == Families::NONE {
        return if shape.payee && shape.amount { Effect::Payment } else { Effect::Execute };
    }
    if home == Families::READ {
        return read(tool, shape);
    }
    if home == Families::DELETE {
        return Effect::Destructive;
    }
    if moves_money(tool, shape) {
        return Effect::Payment;
    }
    if opens_doors(tool, shape) {
        return Effect::Credential;
    }
    match home {
        Families::RUN => run(tool, shape),
        Families::SEND
        | Families::POST
        | Families::SHARE
        | Families::INVITE
        | Families::BOOK
        | Families::PAY => Effect::WriteOutbound,
        _ => write(tool, shape),
    }
}

fn read(tool: &mut Tool, shape: &Shape) -> Effect {
    if delivers(tool) {
        return Effect::WriteOutbound;
    }
    if speaks_of_secrets(tool) && !tool.named("count|validate|verify|max") {
        return Effect::Credential;
    }
    let calculates =
        text::is(tool.verb.word.as_str(), "calculate|compute|count|parse|format|validate|explain");
    if shape.code && !calculates {
        let only_reads = text::says(
            &tool.description,
            "read-only|read only|readonly|select query|select queries|select statement",
        );
        if !only_reads
            && (shape.queries || text::says(&tool.description, "execute|executes|run|runs|command|script"))
        {
            return Effect::Execute;
        }
    }
    let web = "search the web|web search|the internet|search engine|web page|webpage|website|\
        browser|searches the web|from the web|online";
    if shape.url || tool.named(WEB) || text::says(&tool.description, web) {
        return Effect::EgressRead;
    }
    Effect::Read
}

/// Whether what is read goes to somebody: an export that is mailed, a report for a recipient.
fn delivers(tool: &Tool) -> bool {
    let looks = "search|find|list|get|filter|query|lookup|count|retrieve|fetch|read|check|view|show|describe";
    let reached = |a: &super::Argument| {
        let has = |any: &str| a.tokens.iter().any(|t| text::is_some(t, any));
        // From one to another is a way, not somebody.
        let way = a.tokens.len() == 1 && has("to|destination");
        if way && tool.arguments.iter().any(|b| b.tokens.iter().any(|t| text::is(t, "from|origin|source"))) {
            return false;
        }
        has("cc|bcc")
            || has("recipient|destination|receiver|deliver|delivery|notify|send|forward|to")
                && (matches!(sort::of(a), Sort::Party | Sort::Url) || has("email|mail|phone|channel|webhook"))
    };
    !text::is(tool.verb.word.as_str(), looks) && tool.arguments.iter().any(reached)
}

const WEB: &str = "web|webpage|website|internet|browser|url|crawl|scrape|browse|google|bing|tavily|\
        duckduckgo|http";

/// Nouns of which something is paid when one is made, changed, sent or planned.
const PAID: &str = "money|payment|transaction|transfer|refund|fund|donation|payout|salary|rent|purchase|\
        order|checkout|deposit|withdrawal|charge|remittance|trade|wire|debit|bid|\
        subscription|bill|credit";

/// Verbs that mean money by themselves.
const PAYS: &str = "pay|refund|wire|donate|buy|purchase|reimburse|remit|charge|repay|payout|invest|tip|\
        bet|order|compensate|sell|swap|stake|checkout|trade|deposit|withdraw|spend|fund";

fn moves_money(tool: &mut Tool, shape: &Shape) -> bool {
    let word = tool.verb.word.as_str();
    let about_code = tool.name_nouns.meets(Nouns::CODE) || tool.named("git|branch|repo");
    if text::is(word, PAYS) && !about_code {
        return true;
    }
    if shape.payee && shape.amount {
        return true;
    }
    let transfers = word == "transfer"
        && (tool.name_nouns.is_empty() || tool.name_nouns.meets(Nouns::MONEY) || shape.amount);
    if transfers {
        return true;
    }
    let object = tool.tokens.iter().enumerate().filter(|(at, _)| tool.verb.place != Some(*at));
    let paid = object
        .map(|(_, token)| token.as_str())
        .filter(|_| !about_code)
        .find(|token| text::is_some(token, PAID))
        .map(str::to_owned);
    let moving = tool.home() != Families::READ && !text::is(word, "draft|reorder|sort|export|tag|label");
    if let Some(noun) = paid.filter(|_| moving) {
        if !shape.amount {
            tool.doubts.push(format!("it changes a {noun} and names no amount: taken as moving money"));
        }
        return true;
    }
    tool.home() == Families::BOOK
        && (shape.amount
            || tool.arguments.iter().any(|a| a.tokens.iter().any(|t| t == "payment" || t == "card")))
}

fn opens_doors(tool: &Tool, shape: &Shape) -> bool {
    speaks_of_secrets(tool)
        || text::is(tool.verb.word.as_str(), "login|signin|authenticate|impersonate|assume|decrypt")
        || shape.secret
            && matches!(tool.home(), Families::CREATE | Families::UPDATE | Families::INVITE)
            && tool
                .arguments
                .iter()
                .any(|a| a.tokens.iter().any(|t| matches!(t.as_str(), "password" | "passphrase" | "secret")))
}

/// Whether the name is about a secret, not about a key of a table or a token of a text.
fn speaks_of_secrets(tool: &Tool) -> bool {
    let plain = "password|secret|credential|passphrase|passcode|apikey|otp|2fa|mfa|totp|keypair";
    if tool.named(plain) {
        return true;
    }
    let openers = "api|access|auth|bearer|refresh|session|personal|oauth|bot|ssh|private|signing|\
        deploy|encryption|gpg|secret|jwt|install|registration|service";
    let pairs = tool.tokens.iter().zip(tool.tokens.iter().skip(1));
    let paired = pairs.into_iter().any(|(a, b)| text::is(a, openers) && text::is_some(b, "token|key"));
    let alone = tool.tokens.last().is_some_and(|last| text::is_some(last, "token|certificate"))
        && !text::is(tool.verb.word.as_str(), "count|list|search|swap|buy|sell|find");
    let told = "api key|access key|secret key|private key|access token|api token|password|\
        credentials";
    let explained = tool.tokens.last().is_some_and(|last| text::is_some(last, "token|key|code|pin"))
        && text::says(&tool.description, told);
    paired || alone || explained
}

fn run(tool: &mut Tool, shape: &Shape) -> Effect {
    let programs = Nouns::CODE.and(Nouns::MACHINE).and(Nouns::DATA);
    let told = "command|script|code|shell|terminal|sql|javascript|query|workflow|function|program|\
        container";
    if shape.code || tool.name_nouns.meets(programs) || text::says(&tool.description, told) {
        return Effect::Execute;
    }
    match tool.verb.word.as_str() {
        _ if shape.url && tool.named("webhook|http|request|api|endpoint") => Effect::WriteOutbound,
        "navigate" | "visit" if shape.url => Effect::EgressRead,
        "click" | "type" | "press" | "drag" | "navigate" | "hover" | "scroll" | "tap" | "swipe" => {
            tool.doubts.push(
                "it acts on a page or screen, where anything may follow: taken as write_outbound".into(),
            );
            Effect::WriteOutbound
        }
        "call" if shape.party => Effect::WriteOutbound,
        _ => {
            tool.doubts.push(format!("`{}` may run something: taken as execute", tool.verb.word));
            Effect::Execute
        }
    }
}

fn write(tool: &mut Tool, shape: &Shape) -> Effect {
    if shape.queries {
        return Effect::Execute;
    }
    let rolled_out = Nouns::MACHINE.and(Nouns::CODE).and(Nouns::DATA);
    let told = "infrastructure|migration|migrations|manifest|playbook|ddl|cluster";
    if matches!(tool.verb.word.as_str(), "apply" | "migrate" | "rollback" | "sync")
        && (tool.name_nouns.meets(rolled_out) || text::says(&tool.description, told))
    {
        return Effect::Execute;
    }
    let drafts = tool.verb.word == "draft" || tool.named("draft");
    if drafts && !text::says(&tool.description, "sends|and send") {
        return Effect::WriteInternal;
    }
    let spoken = "message|comment|post|reply|tweet|announcement|review|invitation|invite|reaction|\
        share|webhook|newsletter";
    let sent = "email|mail|sms|notification";
    let public = "gist|paste|pastebin|blog|tweet|story|advert|ad|release";
    let rights = "permission|policy|role|access|membership|admin|privilege|acl|grant|member|\
        collaborator|scope|sharing|visibility";
    let physical = "door|lock|garage|gate|alarm|camera|oven|valve|car|light|thermostat|device|switch|\
        blind|cover|fan|vacuum";
    let object = |list: &str| {
        (tool.tokens.iter().enumerate())
            .any(|(at, token)| tool.verb.place != Some(at) && text::is_some(token, list))
    };
    let acts = text::is(
        tool.verb.word.as_str(),
        "unlock|lock|open|arm|disarm|turn|toggle|switch|set|close|dim|enable|disable|control|\
        adjust|update",
    );
    let switched = acts
        && (object(physical)
            || tool.name_nouns.is_empty()
                && text::says(&tool.description, "device|door|lock|light|entity|switch"));
    let joined = object("user|person|employee|contact|people")
        && object("group|team|organization|organisation|project|channel|workspace");
    let published = tool.home() == Families::CREATE
        && tool.arguments.iter().any(|a| {
            a.tokens.iter().any(|t| matches!(t.as_str(), "privacy" | "visibility" | "audience" | "public"))
                && !a.kinds.only_boolean()
        });
    let alone = tool.verb.word == "unlock" || tool.verb.word == "disarm";
    let says = object(spoken) || tool.home() == Families::CREATE && (object(sent) || object(public));
    if shape.party
        || shape.account
        || shape.url
        || says
        || object(rights)
        || switched
        || joined
        || published
        || alone
    {
        return Effect::WriteOutbound;
    }
    Effect::WriteInternal
}

/// What a description says the tool does besides.
fn by_description(description: &str) -> Option<Effect> {
    let mut raised = None;
    for sentence in text::sentences(description) {
        let mut before = ["", ""];
        for word in text::words(sentence) {
            let [earlier, previous] = before;
            before = [previous, word];
            let opens =
                text::is(previous, "|it|also|and|then|automatically|tool|function|immediately|permanently");
            let promised = text::is(previous, "will|also|automatically|then|immediately|permanently|can");
            let denied = text::is(earlier, "not|never|without|cannot|don't|doesn't|won't|no");
            if denied {
                continue;
            }
            let base = text::base_form(word, false);
            let Some(base) = base else { continue };
            let third = base != word;
            // *Posts that mention the user*: things, not what is done.
            let things = third && previous.is_empty() && words::noun(&base).is_some();
            if things && text::words(sentence).nth(1).is_none_or(|next| text::is(next, SHOWN)) {
                continue;
            }
            // "Execute a query": a verb that is no noun and opens the sentence.
            let third = third || previous.is_empty() && words::noun(&base).is_none();
            if (third && opens) || (!third && promised) {
                raised = raised.max(told(&base, sentence, third));
            }
        }
    }
    if text::says(
        description,
        "overwrites existing|overwrite an existing|overwrites the existing|\
        overwrite existing|completely overwrite|overwritten|irreversible|cannot be undone|\
        permanently",
    ) {
        raised = raised.max(Some(Effect::Destructive));
    }
    raised
}

/// What stands behind things that are shown.
const SHOWN: &str =
    "that|which|of|with|by|from|in|for|on|about|and|one|as|between|waiting|matching|sent|made|written";

/// What a verb in a description means.
fn told(base: &str, sentence: &str, third: bool) -> Option<Effect> {
    let said_of_a_program = || {
        text::says(
            sentence,
            "command|commands|code|script|scripts|javascript|shell|program|query|queries|\
        statement|statements|sql",
        ) && !text::says(sentence, "read-only|select")
    };
    match base {
        "delete" | "erase" | "purge" | "wipe" | "destroy" | "truncate" | "overwrite" => {
            Some(Effect::Destructive)
        }
        "email" | "notify" | "publish" | "post" | "invite" | "forward" | "share" | "broadcast" | "tweet"
            if third || base != "post" =>
        {
            Some(Effect::WriteOutbound)
        }
        "send"
            if third
                || text::says(
                    sentence,
                    "email|emails|message|messages|notification|notifications|invitation|invitations|sms|\
        invite|invites",
                ) =>
        {
            Some(Effect::WriteOutbound)
        }
        "give" | "grant" if text::says(sentence, "access|permission|permissions|rights|control") => {
            Some(Effect::WriteOutbound)
        }
        "execute" | "run" if said_of_a_program() => Some(Effect::Execute),
        "pay" | "charge" | "transfer"
            if text::says(sentence, "money|payment|card|amount|funds|fee|account|payments") =>
        {
            Some(Effect::Payment)
        }
        _ => words::base_verb(base)
            .filter(|f| *f == Families::DELETE && third && text::says(sentence, "permanently"))
            .map(|_| Effect::Destructive),
    }
}

fn raised_by_hints(tool: &mut Tool, effect: Effect, annotations: Option<&Value>) -> Effect {
    let hint = |name: &str| annotations.and_then(|a| a.get(name)).and_then(Value::as_bool);
    let mut raised = effect;
    if hint("readOnlyHint") == Some(false) {
        raised = raised.max(Effect::WriteInternal);
    }
    if hint("openWorldHint") == Some(true) {
        raised = match raised {
            Effect::Read => Effect::EgressRead,
            Effect::WriteInternal => Effect::WriteOutbound,
            other => other,
        };
    }
    if hint("destructiveHint") == Some(true) && hint("readOnlyHint") != Some(true) {
        raised = raised.max(Effect::Destructive);
    }
    if raised != effect {
        let (from, to) = (effect.as_str(), raised.as_str());
        tool.doubts.push(format!("derived as {from}; its server's annotations raise it to {to}"));
    }
    raised
}
