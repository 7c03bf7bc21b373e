//! Generates the code of calc.proto. The C programs share the file, so the number of its module stands here.

fn main() -> Result<(), drpc_build::Error> {
    drpc_build::configure().module("calc.Calc", 100).compile_protos(&["calc.proto"], &["."])
}
