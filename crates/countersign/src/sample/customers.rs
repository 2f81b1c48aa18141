//! Tools over the customer table, ROOT/customers.json.

use std::time::Duration;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Server;
use super::call::{Call, ToolError};

pub(super) const CUSTOMERS: &str = "customers.json";
const MAX_DELAY_MS: u64 = 600_000;

/// One row of the table.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Customer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
    /// Account number in the form of an IBAN, with correct check digits, at a bank that does not exist.
    pub(super) iban: String,
    pub(super) city: String,
    pub(super) tier: String,
    /// First day as a customer, YYYY-MM-DD.
    pub(super) since: String,
    /// What the customer owes, in euro cents.
    pub(super) balance_cents: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QueryCustomers {
    /// Keep the rows in which this text occurs in id, name, e-mail, city or tier, ignoring case; all rows when left out.
    filter: Option<String>,
    /// The most rows to return.
    #[serde(default = "default_limit")]
    limit: u64,
    /// Take this many milliseconds, telling the progress on the way.
    #[serde(default)]
    #[schemars(range(max = MAX_DELAY_MS))]
    delay_ms: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CustomerId {
    /// The customer's id, such as `C-0042`.
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct QueryResult {
    /// Rows that the filter keeps, whatever the limit.
    matching: usize,
    /// The first of them, at most as many as the limit, by id.
    customers: Vec<Customer>,
}

#[derive(Serialize, JsonSchema)]
struct DeletedCustomer {
    id: String,
    /// Customers left in the table.
    remaining: usize,
}

#[tool_router(router = customer_tools, vis = "pub(super)")]
impl Server {
    /// Find customers: names, e-mail addresses, account numbers and balances; 50 rows unless `limit` says otherwise.
    #[tool(annotations(title = "Query customers", read_only_hint = true, open_world_hint = false))]
    async fn query_customers(
        &self,
        call: Call,
        Parameters(QueryCustomers { filter, limit, delay_ms }): Parameters<QueryCustomers>,
    ) -> Result<Json<QueryResult>, ToolError> {
        if delay_ms > MAX_DELAY_MS {
            return Err(ToolError::Arguments(format!(
                "`delay_ms` is {delay_ms}; it may be at most {MAX_DELAY_MS}"
            )));
        }
        if delay_ms > 0 {
            call.wait(Duration::from_millis(delay_ms)).await?;
        }
        self.read(call, move |view| {
            let mut customers: Vec<Customer> = view.table(CUSTOMERS)?;
            if let Some(filter) = filter {
                let filter = filter.to_lowercase();
                customers.retain(|customer| customer.mentions(&filter));
            }
            let matching = customers.len();
            customers.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(Json(QueryResult { matching, customers }))
        })
        .await
    }

    /// Look up one customer by id.
    #[tool(annotations(title = "Get a customer", read_only_hint = true, open_world_hint = false))]
    async fn get_customer(
        &self,
        call: Call,
        Parameters(CustomerId { id }): Parameters<CustomerId>,
    ) -> Result<Json<Customer>, ToolError> {
        self.read(call, move |view| {
            let customers: Vec<Customer> = view.table(CUSTOMERS)?;
            customers.into_iter().find(|customer| customer.id == id).map(Json).ok_or_else(|| nobody(&id))
        })
        .await
    }

    /// Delete one customer for good.
    #[tool(annotations(
        title = "Delete a customer",
        read_only_hint = false,
        destructive_hint = true,
        idempotent_hint = false,
        open_world_hint = false
    ))]
    async fn delete_customer(
        &self,
        call: Call,
        Parameters(CustomerId { id }): Parameters<CustomerId>,
    ) -> Result<Json<DeletedCustomer>, ToolError> {
        self.change(call, move |change| {
            let mut customers: Vec<Customer> = change.table(CUSTOMERS)?;
            let place = customers.iter().position(|customer| customer.id == id).ok_or_else(|| nobody(&id))?;
            customers.remove(place);
            change.save(CUSTOMERS, &customers).map_err(ToolError::disk("delete the customer"))?;
            Ok(Json(DeletedCustomer { id, remaining: customers.len() }))
        })
        .await
    }
}

impl Customer {
    fn mentions(&self, lowercase: &str) -> bool {
        [&self.id, &self.name, &self.email, &self.city, &self.tier]
            .into_iter()
            .any(|field| field.to_lowercase().contains(lowercase))
    }
}

fn nobody(id: &str) -> ToolError {
    ToolError::Arguments(format!("there is no customer `{id}`; `query_customers` gives the ids"))
}

fn default_limit() -> u64 {
    50
}
