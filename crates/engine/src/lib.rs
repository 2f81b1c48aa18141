//! The one flow from intercepted action to recorded outcome, and the ports it calls
