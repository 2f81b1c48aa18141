//! What comes back from a tool, and whose it is.

use std::collections::BTreeMap;

use super::super::words::{Families, Nouns};
use super::super::{Effect, Output, Shape, Store, Writer};
use super::{Tool, text};

/// What a tool's outputs are.
pub(super) fn of(tool: &Tool, effect: Effect) -> Output {
    let store = store(tool);
    let mut writers = BTreeMap::new();
    // Whoever pays in writes what the payment is called.
    let planned = tool.named("scheduled|standing|recurring|upcoming");
    if effect.only_reads() && tool.named("transaction|payment|statement|transfer") && !planned {
        for field in ["subject", "description", "memo", "reference", "note", "message"] {
            writers.insert(field.to_owned(), Writer::ThirdParty);
        }
    }
    Output { shape: shape(tool, effect), store, writers }
}

fn shape(tool: &Tool, effect: Effect) -> Shape {
    if effect == Effect::Execute {
        return Shape::Document;
    }
    if !effect.only_reads() {
        return Shape::Records;
    }
    let word = tool.verb.word.as_str();
    if text::is(word, "list|search|find|query|count|lookup|status") {
        return Shape::Records;
    }
    let texts = Nouns::FILE.and(Nouns::PAGE).and(Nouns::CODE);
    let about_texts = tool.name_nouns.meets(texts) || tool.name_nouns.is_empty();
    let raw = "content of|contents of|the content|the contents|text of|raw|as markdown|html|\
        extracts text|full text|transcript";
    let takes = text::is(
        word,
        "read|fetch|cat|scrape|crawl|extract|navigate|visit|download|screenshot|snapshot|\
        head|tail|open|view|browse|print|diff|load|export|summarize|translate",
    );
    let page = tool.named("webpage|website|url|page|article|transcript|readme|html|markdown|web");
    let told = text::says(&tool.description, raw);
    let gets = matches!(word, "get" | "retrieve" | "show" | "access");
    let records = tool.name_nouns.meets(
        Nouns::MAIL
            .and(Nouns::MESSAGE)
            .and(Nouns::EVENT)
            .and(Nouns::PERSON)
            .and(Nouns::MONEY)
            .and(Nouns::DATA),
    );
    if records && !page {
        return Shape::Records;
    }
    if (takes && (about_texts || told)) || (gets && (page || told && tool.name_nouns.meets(texts))) {
        Shape::Document
    } else {
        Shape::Records
    }
}

/// Who keeps what the tool gives back.
fn store(tool: &Tool) -> Store {
    let nouns = if tool.name_nouns.is_empty() { tool.nouns() } else { tool.name_nouns };
    let named = |any: &str| tool.named(any);
    if named("review|comment|feedback|message|post|webpage|website|web|page|article") {
        return Store::Shared;
    }
    if named(
        "rating|price|availability|weather|forecast|rate|quote|direction|distance|catalog|\
        catalogue|timezone|route",
    ) {
        return Store::Service;
    }
    // The user's books: whom one deals with, and what one has billed.
    let books = "contact|customer|vendor|supplier|client|invoice|expense|estimate|payroll";
    if named(books) && !tool.name_nouns.meets(Nouns::MAIL.and(Nouns::TASK).and(Nouns::FILE)) {
        return Store::Own;
    }
    if nouns.meets(Nouns::MAIL) || named("inbox") {
        return if named("sent|draft|outbox") { Store::Own } else { Store::Shared };
    }
    let offered = "slot|offer|vacancy|fare|opening";
    if named(offered) && !named("mine|my|booked") {
        return Store::Service;
    }
    // *Saved addresses of the customer*, *your devices*: what somebody keeps here for themselves.
    let kept =
        "saved|stored|the user's|of the user|the customer's|of the customer|your own|one's own|own posts";
    let theirs = Nouns::MAIL.and(Nouns::MESSAGE).and(Nouns::REVIEW).and(Nouns::PAGE).and(Nouns::FILE);
    if tool.home() == Families::READ && text::says(&tool.description, kept) && !tool.name_nouns.meets(theirs)
    {
        return Store::Own;
    }
    if named("balance|iban|wishlist|cart|basket|me|whoami|preference|my|setting|profile|home") {
        return Store::Own;
    }
    if nouns.meets(Nouns::EVENT) && !nouns.meets(Nouns::FILE.and(Nouns::PAGE)) {
        return if tool.named("event|calendar|meeting|appointment|schedule|reminder") || !named(TIMES) {
            Store::Own
        } else {
            Store::Service
        };
    }
    if named("user|account") && named("info|information|detail|current") {
        return Store::Own;
    }
    if named("transaction|payment|transfer|subscription|bill|statement|order|reservation|booking")
        && !nouns.meets(Nouns::CODE)
    {
        return Store::Own;
    }
    if named(TIMES) {
        return Store::Service;
    }
    if nouns.meets(
        Nouns::FILE.and(Nouns::PAGE).and(Nouns::TASK).and(Nouns::CODE).and(Nouns::REVIEW).and(Nouns::MESSAGE),
    ) && !named("channel|hotel|restaurant")
    {
        return Store::Shared;
    }
    let kept = Nouns::LODGING
        .and(Nouns::FOOD)
        .and(Nouns::TRANSPORT)
        .and(Nouns::PRODUCT)
        .and(Nouns::CHANNEL)
        .and(Nouns::PERSON);
    if nouns.meets(kept) {
        return Store::Service;
    }
    Store::Shared
}

const TIMES: &str = "time|date|day|clock|now|holiday";
