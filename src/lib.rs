//! dRPC.
