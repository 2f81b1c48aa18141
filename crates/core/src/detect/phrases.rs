//! What texts say that talk to the agent: phrases from general knowledge of prompt injection, in English.
//!
//! In a pattern `~` stands for what parts two words, line breaks and markup included.

use super::Cue;
use super::words::Means;
use super::words::Phrase;
use super::words::Place;

/// Cues that are a word by themselves.
pub(super) const LITERAL: &[(Cue, &[&str])] = &[
    (
        Cue::ChatTemplate,
        &[
            "<|im_start|>",
            "<|im_end|>",
            "<|system|>",
            "<|user|>",
            "<|assistant|>",
            "<|endoftext|>",
            "<|start_header_id|>",
            "<|eot_id|>",
            "<|begin_of_text|>",
            "<|channel|>",
            "<start_of_turn>",
            "<end_of_turn>",
            "[inst]",
            "[/inst]",
            "<<sys>>",
            "### instruction:",
            "### system:",
            "### response:",
            "\n\nhuman:",
            "\n\nassistant:",
            "\\n\\nhuman:",
            "\\n\\nassistant:",
        ],
    ),
    (
        Cue::FakeBoundary,
        &[
            "</tool_result",
            "</tool_output",
            "</tool_response",
            "</function_result",
            "</function_response",
            "</untrusted",
            "</user_input",
            "</external_content",
            "</search_result",
        ],
    ),
    (
        Cue::InvisibleMarkup,
        &[
            "display:none",
            "display: none",
            "visibility:hidden",
            "visibility: hidden",
            "color:transparent",
            "color: transparent",
        ],
    ),
    (
        Cue::Persona,
        &["do anything now", "jailbreak mode", "developer mode enabled", "developer mode activated"],
    ),
];

macro_rules! phrases {
    ($($cue:ident $place:ident [$($word:literal)+] $back:literal..$ahead:literal $pattern:literal;)*) => {
        /// Cues that are a word with a pattern around it.
        pub(super) static PHRASES: &[Phrase] = &[$(Phrase {
            words: &[$($word),+],
            place: Place::$place,
            pattern: $pattern,
            back: $back,
            ahead: $ahead,
            means: Means::Cue(Cue::$cue),
        }),*];
    };
}

phrases! {
    Override Word ["ignore" "ignoring" "disregard" "forget" "override" "overrule" "bypass" "discard" "do not follow" "don't follow"
        "stop following" "pay no attention to" "do not obey"] 0..200
        r"\A(?:[a-z']+~){1,4}?(?:(?:any|the|every|other|of|and|my|our|those|these|current|existing)~){0,4}(?:all|any|your|previous|prior|earlier|above|preceding|system|safety|security|original|initial|existing|former|foregoing|past)~(?:[a-z]+~){0,4}?(?:instructions?|prompts?|rules|guidelines?|directives?|orders|commands?|policy|policies|restrictions?|constraints?|safeguards|training|programming)\b";
    Override Word ["ignore" "disregard" "forget"] 0..160
        r"\A[a-z]+~(?:about~)?(?:everything|anything|all|what(?:ever)?)~(?:[a-z']+~){0,4}?(?:above|before|previously|earlier|prior|told)\b";
    Override Word ["these instructions" "this instruction" "the following instructions" "my instructions" "new instructions"] 0..120
        r"\A[a-z]+~(?:[a-z]+~)?instructions?~(?:[a-z]+~){0,2}?(?:override|overrule|supersede|replace|take~(?:precedence|priority))";
    FakeSystem Line ["system" "admin" "administrator" "developer" "root"] 0..80
        r"\A[a-z]+(?:~(?:message|prompt|notice|notification|alert|instructions?|override|update|command|directive))(?:\s|\*|_|#|=|-){0,3}[:\]>)=]";
    FakeSystem Line ["system"] 0..24 r"\Asystem(?:\*|_|\s){0,3}(?::(?:\*|_){0,2}\s|\]|>)";
    FakeSystem Word ["[system" "<system" "{system" "begin system" "### system" "=== system" "*** system"] 0..64
        r"\A[\[<{#=*a-z]+\s?system(?:[ _-]?(?:message|prompt|notice|notification|alert|instructions?|override|update|command))?\s?[\]>}:=*#]";
    Secrecy Word ["do not" "don't" "dont" "never" "must not" "should not" "shouldn't" "no need to" "avoid" "refrain from"] 0..160
        r"\A[a-z']+(?:~(?:not|need|to|from))*~(?:[a-z]+~){0,3}?(?:tell|inform|mention|notify|reveal|alert|ask|warn|disclose|telling|informing|mentioning|notifying|revealing|alerting|asking|warning|disclosing)~(?:[a-z']+~){0,6}?(?:users?|humans?|operators?)\b";
    Secrecy Word ["without"] 0..120
        r"\Awithout~(?:telling|informing|notifying|alerting|asking|mentioning|revealing|warning)~(?:[a-z']+~){0,5}?(?:users?|humans?|operators?|anyone|anybody)\b";
    Secrecy Word ["keep this" "keep it" "hide this" "hide it" "conceal this" "conceal it"] 0..120
        r"\A[a-z]+~[a-z]+~(?:[a-z]+~){0,4}?from~(?:the~)?(?:user|human|operator)\b";
    AgentAddressed Word ["attention" "dear" "hey" "hello" "note to" "note for" "message to" "message for" "instructions for" "instructions to"
        "instruction for" "important for" "notice to" "reminder to" "reminder for" "request to" "task for"] 0..100
        r"\A[a-z]+(?:~(?:to|for))?~(?:(?:the|any|all|every|this|our|my|you)~){0,2}(?:ai|llms?|(?:large~)?language~models?|(?:ai|virtual|digital|autonomous)~(?:assistants?|agents?|models?|systems?)|chatbots?|chatgpt|gpt|claude|gemini|copilot)\b";
    AgentAddressed Word ["if you are" "if you're" "if you are a" "since you are" "because you are"] 0..100
        r"\A[a-z]+~you(?:~|')(?:are|re)~(?:an?|the)~(?:[a-z]+~){0,2}?(?:ai|llm|language~model|assistant|chatbot|bot|agent)\b";
    AgentAddressed Line ["assistant" "ai assistant" "ai agent" "ai model" "agent" "ai" "llm" "language model"] 0..100
        r"\A(?:ai|llm|assistant|agent|language)(?:~(?:assistant|agent|model))?s?\s?[,:;-]+~(?:you|please|must|do|ignore|now|before|your|when|stop|execute|call|use|send)\b";
    AgentAddressed Word ["ai assistant" "ai agent" "ai model" "ai system" "language model" "llm" "llms"] 0..100
        r"\A(?:(?:ai|language)~[a-z]+|llms?)~(?:reading|processing|summari[sz]ing|parsing|that~(?:reads?|process)|who~reads?|must|should~now|is~instructed|are~instructed)\b";
    NewTask Word ["your new" "your real" "your actual" "your true" "your updated" "your only" "your next"] 0..80
        r"\Ayour~[a-z]+~(?:[a-z]+~)?(?:task|goal|objective|instructions?|mission|role|purpose|priority|directive)s?\b";
    NewTask Word ["new instruction" "updated instruction" "revised instruction" "additional instruction" "important instruction" "special instruction"] 0..80
        r"\A[a-z]+~instructions?(?:~for~(?:you|the~(?:ai|assistant|agent|model)))?\s?[:\]-]";
    NewTask Word ["before"] 0..120
        r"\Abefore~(?:you~)?(?:can~)?(?:answer|answering|continue|continuing|respond|responding|do|doing|complete|completing|solve|solving|finish|help|helping)~(?:[a-z']+~){0,6}?(?:you~(?:must|need~to|have~to|should)|please~(?:first~)?(?:call|send|run|execute|visit|open|read|transfer|forward))\b";
    NewTask Word ["you must now" "you must first" "you must immediately" "you are instructed to" "you are ordered to" "you are commanded to" "you have been instructed to"] 0..40 r"\A";
    NewTask Word ["execute" "carry out" "perform" "obey"] 0..80
        r"\A[a-z]+(?:~out)?~(?:all~)?(?:of~)?(?:the|these|my|this)~(?:following~)?(?:instructions?|orders?|directives?|following~(?:steps|tasks?|actions?))\b";
    ToolOrder Word ["call" "use" "invoke" "execute" "trigger"] 0..120
        r"\A[a-z]+~(?:the|your)~(?:[a-z0-9_.]+~){1,3}?(?:tool|function|plugin|connector)\b";
    ToolOrder Anywhere ["| sh" "| bash" "|bash" "|sh" "| sudo bash"] 200..12 r"(?:curl|wget|iwr)\s[^|]{4,180}\|\s?(?:sudo\s)?(?:ba)?sh\b";
    Persona Word ["you are now"] 0..120
        r"\Ayou~are~now~(?:in~[a-z]+~mode|dan\b|free~(?:from|of)|jailbroken|unrestricted|(?:an?|the)~(?:[a-z]+~){0,3}?(?:ai|assistant|agent|model|bot|chatbot|hacker|terminal|persona)\b)";
    Persona Word ["act as" "pretend to be" "pretend you are" "pretend that you are" "roleplay as" "behave as" "behave like"] 0..120
        r"\A[a-z]+~(?:[a-z]+~){1,4}?(?:unrestricted|unfiltered|uncensored|jailbroken|evil|dan\b|(?:ai|model|assistant)~(?:with~no|without))";
    Persona Word ["you have no" "you are not bound by" "you are free from" "you no longer have"] 0..100
        r"\Ayou~(?:[a-z]+~){2,5}?(?:any~)?(?:restrictions?|limitations?|filters?|guidelines?|rules|ethic)";
    PromptLeak Word ["system prompt" "initial prompt" "initial instructions" "hidden instructions" "your instructions" "developer message" "prompt above" "instructions above"] 80..20
        r"(?:reveal|print|output|repeat|show|display|disclose|leak|tell|give|send|recite|paste|write|dump)~(?:[a-z']+~){0,6}?(?:system~prompt|initial~prompt|initial~instructions|hidden~instructions|your~instructions|developer~message|prompt~above|instructions~above)";
    FalseConsent Word ["the user has" "the user already" "the owner has" "your user has" "user has already" "the human has"] 0..100
        r"\A[a-z]+~[a-z]+~(?:[a-z]+~){0,4}?(?:approved|authori[sz]ed|consented|agreed|confirmed|permitted|granted)\b";
    FalseConsent Word ["approved by" "authorized by" "authorised by" "confirmed by" "permission of" "consent of" "on behalf of"] 0..60
        r"\A(?:(?:pre~)?(?:approved|authori[sz]ed|confirmed)~by|(?:permission|consent)~of)~(?:the|your)~(?:user|human|operator)\b";
    FalseConsent Word ["no confirmation" "no further confirmation" "no approval" "no user confirmation" "without confirmation" "without user confirmation"
        "without asking for" "confirmation is not"] 0..100
        r"\A(?:no~(?:[a-z]+~){0,2}?(?:confirmation|approval|permission)~(?:[a-z]+~){0,2}?(?:needed|required|necessary)|without~(?:user~)?confirmation\b|without~asking~for~(?:[a-z]+~){0,2}?(?:confirmation|approval|permission)|confirmation~is~not~(?:needed|required|necessary))";
    Persistence Word ["save" "store" "add" "write" "commit" "record" "put"] 0..100
        r"\A[a-z]+~(?:this|that|it|the~following)~(?:[a-z]+~){0,3}?(?:to|in|into)~(?:your|long)~(?:[a-z]+~){0,3}?memory\b";
    Persistence Word ["for all future" "in all future" "for every future" "in every future" "for any future" "in any future" "in your future" "in future"] 0..80
        r"\A(?:for|in)~(?:[a-z]+~)?future~(?:[a-z]+~)?(?:conversations?|sessions?|interactions?|chats?|responses?|replies)\b";
    Persistence Word ["from now on" "from this point on" "from this moment on" "henceforth"] 0..80
        r"\A[a-z ]+~(?:you~)?(?:always|must|will|only|never|shall|should)\b";
    FakeBoundary Word ["end of"] 8..60
        r"[-=#*<\[_|]{2,}\s?(?:the\s)?end~of~(?:the~)?(?:document|email|tool~(?:output|result|response)|data|input|user~input|context|search~results?|untrusted~[a-z]+|external~content|webpage|prompt)\b";
    ShoutingTag Anywhere ["<important" "<urgent" "<attention" "<instruction" "<secret" "<hidden" "<critical" "<priority" "<admin" "<override" "<must" "<warning" "<mandatory"] 0..48
        r"\A<(?:important|urgent|attention|instructions?|secret|hidden|critical|priority|admin|override|must|warning|mandatory)(?:[ _-][a-z_ -]{1,24})?\s?/?>";
    Exfiltration Word ["send" "forward" "post" "upload" "email" "transmit" "exfiltrate" "leak" "copy"] 0..240
        r"\A[a-z]+~(?:[a-z']+~){0,6}?(?:passwords?|credentials?|secrets?|api~keys?|(?:access|auth|session)~tokens?|conversation|chat~(?:history|log)|private~keys?|ssh~keys?|environment~variables?|env~vars?|system~prompt|\.env|id_rsa)\b[^\n]*?\b(?:to|at)\b[^\n]*?(?:https?://|[a-z0-9]@[a-z0-9])";
    InvisibleMarkup Anywhere ["font-size:" "opacity:" "text-indent:" "max-height:"] 0..32
        r"\A(?:font-size:\s?[01](?:px|pt|em|%)?\s?[;\x22'!]|opacity:\s?0(?:\.0+)?\s?[;\x22'!]|text-indent:\s?-\d{3}|max-height:\s?0(?:px)?\s?[;\x22'!])";
}

/// A Markdown picture whose address has a query with room for data: `![x](https://host/?q={data})`.
pub(super) fn image(text: &[u8], at: usize) -> bool {
    const TITLE: usize = 120;
    const ADDRESS: usize = 300;
    let rest = &text[at + 2..];
    let title = rest.iter().take(TITLE).position(|byte| matches!(byte, b']' | b'\n'));
    let Some(address) = title.and_then(|title| rest[title..].strip_prefix(b"](")) else { return false };
    let length = address.iter().take(ADDRESS).take_while(|byte| !matches!(byte, b')' | b'\n')).count();
    let address = address[..length].to_ascii_lowercase();
    let Some(query) = address.iter().position(|byte| *byte == b'?') else { return false };
    let room: [&[u8]; 7] = [b"{", b"[", b"<", b"$", b"%7b", b"%3c", b"data"];
    let mut values = address[query..].split(|byte| *byte == b'=').skip(1);
    address.trim_ascii_start().starts_with(b"http")
        && values.any(|value| room.iter().any(|room| value.starts_with(room)))
}
