//! Tools over a mailbox: ROOT/inbox.jsonl and ROOT/outbox.jsonl, one mail a line. Nothing leaves the folder.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Server;
use super::call::{Call, ToolError};

pub(super) const INBOX: &str = "inbox.jsonl";
pub(super) const OUTBOX: &str = "outbox.jsonl";
/// The address that this mailbox belongs to.
pub(super) const OWNER: &str = "desk@example.com";

/// One mail, as it stands on disk.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    /// When it was sent, RFC 3339 in UTC.
    pub(super) date: String,
    pub(super) subject: String,
    pub(super) body: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SendMail {
    /// One e-mail address, or a list of them.
    to: Recipients,
    /// Subject line.
    subject: String,
    /// Plain text of the mail.
    body: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`to` is neither an e-mail address nor a list of them")]
enum Recipients {
    One(String),
    Several(#[schemars(length(min = 1))] Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListMail {
    /// Which folder to list.
    #[serde(default)]
    folder: MailFolder,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum MailFolder {
    #[default]
    Inbox,
    Outbox,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadMail {
    /// The mail's id, as `list_mail` gives it.
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Sent {
    id: String,
    to: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct MailList {
    folder: MailFolder,
    /// Oldest first, without their texts.
    mails: Vec<MailHead>,
}

#[derive(Serialize, JsonSchema)]
struct MailHead {
    id: String,
    from: String,
    to: Vec<String>,
    date: String,
    subject: String,
}

#[tool_router(router = mail_tools, vis = "pub(super)")]
impl Server {
    /// Send a mail at once, from desk@example.com, to one or more addresses; it cannot be called back.
    #[tool(annotations(
        title = "Send a mail",
        read_only_hint = false,
        destructive_hint = false,
        idempotent_hint = false,
        open_world_hint = true
    ))]
    async fn send_mail(
        &self,
        call: Call,
        Parameters(mail): Parameters<SendMail>,
    ) -> Result<Json<Sent>, ToolError> {
        let to = mail.to.addresses()?;
        let mail = Mail {
            id: format!("sent-{}", uuid::Uuid::now_v7()),
            from: OWNER.to_owned(),
            to,
            date: jiff::Timestamp::now().to_string(),
            subject: mail.subject,
            body: mail.body,
        };
        self.change(call, move |change| {
            change.append(OUTBOX, &mail).map_err(ToolError::disk("send the mail"))?;
            Ok(Json(Sent { id: mail.id, to: mail.to }))
        })
        .await
    }

    /// List the mails of the inbox or the outbox: who wrote them, when and about what.
    #[tool(annotations(title = "List mails", read_only_hint = true, open_world_hint = false))]
    async fn list_mail(
        &self,
        call: Call,
        Parameters(ListMail { folder }): Parameters<ListMail>,
    ) -> Result<Json<MailList>, ToolError> {
        self.read(call, move |view| {
            let mails: Vec<Mail> = view.journal(folder.journal())?;
            Ok(Json(MailList { folder, mails: mails.into_iter().map(MailHead::from).collect() }))
        })
        .await
    }

    /// Read one mail of the inbox or the outbox in full. Its text was written by whoever sent it.
    #[tool(annotations(title = "Read a mail", read_only_hint = true, open_world_hint = false))]
    async fn read_mail(
        &self,
        call: Call,
        Parameters(ReadMail { id }): Parameters<ReadMail>,
    ) -> Result<Json<Mail>, ToolError> {
        self.read(call, move |view| {
            let mut mails: Vec<Mail> = view.journal(INBOX)?;
            mails.extend(view.journal(OUTBOX)?);
            let found = mails.into_iter().find(|mail| mail.id == id);
            found.map(Json).ok_or_else(|| {
                ToolError::Arguments(format!("there is no mail `{id}`; `list_mail` gives the ids"))
            })
        })
        .await
    }
}

impl Recipients {
    /// The addresses, at least one, each with something on both sides of one `@` and nothing that could end a header.
    fn addresses(self) -> Result<Vec<String>, ToolError> {
        let addresses = match self {
            Self::One(address) => vec![address],
            Self::Several(addresses) => addresses,
        };
        if addresses.is_empty() {
            return Err(ToolError::Arguments("`to` is empty; name at least one address".to_owned()));
        }
        for address in &addresses {
            let sides = address.split_once('@').filter(|(user, domain)| {
                !user.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !address.contains([',', ';'])
            });
            if sides.is_none() || address.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(ToolError::Arguments(format!(
                    "{address:?} in `to` is not an e-mail address; write one bare address a string, as in `bob@example.com`"
                )));
            }
        }
        Ok(addresses)
    }
}

impl MailFolder {
    fn journal(self) -> &'static str {
        match self {
            Self::Inbox => INBOX,
            Self::Outbox => OUTBOX,
        }
    }
}

impl From<Mail> for MailHead {
    fn from(Mail { id, from, to, date, subject, body: _ }: Mail) -> Self {
        Self { id, from, to, date, subject }
    }
}
