//! What the engine asks of the outside: one trait a file, next to the code that calls it.
//! Each method's comment is a contract; the implementations live in `store` and `connect`.

pub mod clock;
pub mod embedder;
pub mod ledger;

pub use clock::{Clock, SystemClock};
pub use embedder::{EmbedError, Embedder};
pub use ledger::{
    AppendError, Appending, Batch, Epoch, Epochs, Expected, Head, Kept, Ledger, LedgerError, OpenAction,
    Query, Record, RecordKind, Stored,
};
