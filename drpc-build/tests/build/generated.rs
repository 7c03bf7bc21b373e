//! The generated code as it is committed, which the tests and the example in the documentation are compiled with. A unit
//! test of `builder` holds it to what is generated.

#[expect(unreachable_pub, reason = "as it is generated")]
pub(crate) mod calc {
    include!("../generated/calc.rs");
}

#[expect(unreachable_pub, reason = "as it is generated")]
pub(crate) mod test {
    pub(crate) mod numbered {
        include!("../generated/test.numbered.rs");
    }
    pub(crate) mod types {
        include!("../generated/test.types.rs");
    }
}
