//! Tools over the text files in ROOT/files.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Server;
use super::call::{Call, ToolError};
use super::state::View;
use super::tree::{Entry, Tree};

pub(super) const FILES: &str = "files";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AtPath {
    /// Path relative to the top folder, such as `notes/today.txt`.
    path: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteFile {
    /// Path relative to the top folder, such as `notes/today.txt`; missing folders are made.
    path: String,
    /// The whole new text of the file.
    content: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListFiles {
    /// Folder to list, relative to the top folder; everything when left out.
    path: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Written {
    path: String,
    /// Size of the file in bytes.
    bytes: usize,
    /// Whether the file did not exist before.
    created: bool,
}

#[derive(Serialize, JsonSchema)]
struct Deleted {
    path: String,
}

#[derive(Serialize, JsonSchema)]
struct Listing {
    /// Everything below the folder, by path.
    entries: Vec<Entry>,
}

#[tool_router(router = file_tools, vis = "pub(super)")]
impl Server {
    /// Read the text of one file.
    #[tool(annotations(title = "Read a file", read_only_hint = true, open_world_hint = false))]
    async fn read_file(
        &self,
        call: Call,
        Parameters(AtPath { path }): Parameters<AtPath>,
    ) -> Result<String, ToolError> {
        self.read(call, move |view| tree(view)?.read(&path)).await
    }

    /// Write a text file, replacing what it held before; missing folders are made.
    #[tool(annotations(
        title = "Write a file",
        read_only_hint = false,
        destructive_hint = true,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn write_file(
        &self,
        call: Call,
        Parameters(WriteFile { path, content }): Parameters<WriteFile>,
    ) -> Result<Json<Written>, ToolError> {
        self.change(call, move |change| {
            let tree = tree(change)?;
            let pending = change.pending(content.as_bytes()).map_err(ToolError::disk("write the file"))?;
            let created = tree.place(&pending, &path)?;
            Ok(Json(Written { path, bytes: content.len(), created }))
        })
        .await
    }

    /// List the files and folders below a folder, with sizes.
    #[tool(annotations(title = "List files", read_only_hint = true, open_world_hint = false))]
    async fn list_files(
        &self,
        call: Call,
        Parameters(ListFiles { path }): Parameters<ListFiles>,
    ) -> Result<Json<Listing>, ToolError> {
        self.read(call, move |view| Ok(Json(Listing { entries: tree(view)?.list(path.as_deref())? }))).await
    }

    /// Delete one file for good; folders cannot be deleted.
    #[tool(annotations(
        title = "Delete a file",
        read_only_hint = false,
        destructive_hint = true,
        idempotent_hint = false,
        open_world_hint = false
    ))]
    async fn delete_file(
        &self,
        call: Call,
        Parameters(AtPath { path }): Parameters<AtPath>,
    ) -> Result<Json<Deleted>, ToolError> {
        self.change(call, move |change| {
            tree(change)?.remove(&path)?;
            Ok(Json(Deleted { path }))
        })
        .await
    }
}

fn tree(view: &View) -> Result<Tree, ToolError> {
    Tree::open(&view.path(FILES))
}
