//! The messages, the client and the server's trait that are generated of calc.proto.

drpc::include_proto!("calc");
