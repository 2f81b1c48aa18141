//! Tools over the register of credentials, ROOT/credentials.json. The register knows versions and times, no secrets.

use std::collections::BTreeMap;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Server;
use super::call::{Call, ToolError};

pub(super) const CREDENTIALS: &str = "credentials.json";

/// The register: what is known of each credential, by name.
pub(super) type Credentials = BTreeMap<String, Credential>;

/// What the register knows of one credential.
#[derive(Serialize, Deserialize)]
pub(super) struct Credential {
    pub(super) version: u64,
    /// When this version was made, RFC 3339 in UTC.
    pub(super) rotated_at: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotateCredential {
    /// The credential's name, as `list_credentials` gives it.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListCredentials {}

#[derive(Serialize, JsonSchema)]
struct CredentialList {
    /// All credentials, by name.
    credentials: Vec<CredentialVersion>,
}

#[derive(Serialize, JsonSchema)]
struct CredentialVersion {
    name: String,
    version: u64,
    /// When this version was made, RFC 3339 in UTC.
    rotated_at: String,
}

#[tool_router(router = credential_tools, vis = "pub(super)")]
impl Server {
    /// Replace a credential by a new version; the old one stops working at once. The secret itself is never returned.
    #[tool(annotations(
        title = "Rotate a credential",
        read_only_hint = false,
        destructive_hint = true,
        idempotent_hint = false,
        open_world_hint = false
    ))]
    async fn rotate_credential(
        &self,
        call: Call,
        Parameters(RotateCredential { name }): Parameters<RotateCredential>,
    ) -> Result<Json<CredentialVersion>, ToolError> {
        self.change(call, move |change| {
            let mut credentials: Credentials = change.table(CREDENTIALS)?;
            let Some(credential) = credentials.get_mut(&name) else {
                return Err(ToolError::Arguments(format!(
                    "there is no credential `{name}`; `list_credentials` gives the names"
                )));
            };
            credential.version += 1;
            credential.rotated_at = jiff::Timestamp::now().to_string();
            let answer = CredentialVersion {
                name,
                version: credential.version,
                rotated_at: credential.rotated_at.clone(),
            };
            change.save(CREDENTIALS, &credentials).map_err(ToolError::disk("rotate the credential"))?;
            Ok(Json(answer))
        })
        .await
    }

    /// List the credentials with their versions and the times of their last rotation; never their secrets.
    #[tool(annotations(title = "List credentials", read_only_hint = true, open_world_hint = false))]
    async fn list_credentials(
        &self,
        call: Call,
        Parameters(ListCredentials {}): Parameters<ListCredentials>,
    ) -> Result<Json<CredentialList>, ToolError> {
        self.read(call, |view| {
            let credentials: Credentials = view.table(CREDENTIALS)?;
            let credentials = credentials
                .into_iter()
                .map(|(name, Credential { version, rotated_at })| CredentialVersion {
                    name,
                    version,
                    rotated_at,
                })
                .collect();
            Ok(Json(CredentialList { credentials }))
        })
        .await
    }
}
