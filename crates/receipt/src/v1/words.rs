//! The closed lists of the wire form. A word outside its list is an error, so that no reader has to guess.
//!
//! Where a list has a default, it is the word that claims least: what a forgotten field says must harm nobody.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A closed list of words, with the word of each variant.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as it stands in a receipt.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The version of the form.
    Version {
        /// The draft of version 1.
        V1Draft = "countersign.receipt/v1-draft",
    }
}

words! {
    /// How a signature was made.
    Algorithm {
        /// Ed25519 of RFC 8032.
        Ed25519 = "Ed25519",
    }
}

words! {
    /// The transition or event that a receipt records.
    Kind {
        /// A session was opened.
        Session = "session",
        /// A turn of the user was added.
        Turn = "turn",
        /// Facts were given.
        Facts = "facts",
        /// How far an action lies from the request was measured, right before it was decided.
        Measurement = "measurement",
        /// An action was decided.
        Ruling = "ruling",
        /// An approver answered.
        Approval = "approval",
        /// A deferral ended.
        Resolution = "resolution",
        /// An action ran, failed, or is not known to have run.
        Outcome = "outcome",
        /// A wait or an authorisation ran out.
        Expiry = "expiry",
        /// Something was seen that nobody asked to be judged.
        Observation = "observation",
        /// A policy set became active.
        Policy = "policy",
        /// Something was halted or resumed.
        Halt = "halt",
        /// A key was made, retired or revoked.
        Key = "key",
        /// A tool was listed with a definition that was not on record.
        Contract = "contract",
        /// A high-water mark was moved by hand.
        Mark = "mark",
        /// A summary of refusals that were too many to record one by one.
        Refusals = "refusals",
        /// A signed statement about the log.
        Checkpoint = "checkpoint",
        /// The system came back and settled what it had left open.
        Recovery = "recovery",
    }
}

words! {
    /// The five decisions.
    #[derive(Default)]
    Verdict {
        /// It runs unchanged.
        Allow = "ALLOW",
        /// It does not run.
        #[default]
        Deny = "DENY",
        /// It runs with changed arguments.
        Modify = "MODIFY",
        /// It waits for a person.
        StepUp = "STEP_UP",
        /// It waits for context.
        Defer = "DEFER",
    }
}

words! {
    /// How far a receipt may be believed about effects.
    Enforcement {
        /// The action could only run through us.
        Enforced = "enforced",
        /// Somebody outside told us.
        Reported = "reported",
        /// The agent runs as the same user as we do and could forge evidence.
        SameUser = "same-user",
        /// Nothing was enforced.
        None = "none",
    }
}

words! {
    /// The way in.
    Face {
        /// The MCP gateway over HTTP.
        Mcp = "mcp",
        /// Plain HTTP.
        Http = "http",
        /// The Unix socket.
        Unix = "unix",
        /// The Mediator API.
        Api = "api",
        /// No way in: the engine itself.
        Engine = "engine",
    }
}

words! {
    /// What an approver said.
    #[derive(Default)]
    Answer {
        /// Yes.
        Approve = "approve",
        /// No.
        #[default]
        Deny = "deny",
        /// A yes taken back before it was used.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// How an edit applies its value.
    #[derive(Default)]
    EditOp {
        /// Puts the value there.
        #[default]
        Set = "set",
        /// Lowers a number to the value.
        Cap = "cap",
        /// Blanks a text, or what the expression matches in it.
        Redact = "redact",
        /// Leaves the argument out.
        Remove = "remove",
        /// Adds the value to a list.
        Append = "append",
        /// Refuses any value but these.
        RestrictTo = "restrict_to",
        /// Refuses any path that is not at or below one of these.
        RestrictUnder = "restrict_under",
        /// Changes what is no argument; nobody can carry it out.
        Foreign = "foreign",
    }
}

words! {
    /// What happened to an action.
    #[derive(Default)]
    Status {
        /// The tool answered with a result.
        Ok = "ok",
        /// The tool answered with an error.
        Error = "error",
        /// It may or may not have run.
        #[default]
        Unknown = "unknown",
        /// Nothing left for the tool.
        NothingSent = "nothing_sent",
    }
}
