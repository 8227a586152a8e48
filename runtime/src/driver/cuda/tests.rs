//! What can be said without a GPU: that there is none.

use super::{api::Graphs, *};

#[test]
fn without_a_driver_there_is_an_error_not_a_panic() {
    let told = |e: Option<DriverError>| e.map(|e| e.to_string()).unwrap_or_default();
    match devices() {
        Ok(found) => {
            // Here is a driver: what it sees opens, what it does not see is told.
            let none = told(Cuda::open(found.len()).err());
            assert!(none.contains(&format!("there is no GPU {}", found.len())), "{none}");
            for (number, about) in found.iter().enumerate() {
                assert_eq!(Cuda::open(number).unwrap().about(), about);
            }
        }
        Err(e) => {
            let none = told(Some(e));
            assert!(none.starts_with("this machine cannot run the code: "), "{none}");
            assert_eq!(told(Cuda::open(0).err()), none);
            assert_eq!(told(Graphs::get().err()), none);
            // SAFETY: nothing is looked at where there is no driver.
            let lent = unsafe { Cuda::on_stream(null_mut()) };
            assert_eq!(told(lent.err()), none);
        }
    }
}

#[test]
fn a_log_ends_with_its_zero() {
    assert_eq!(log(b"ptxas error : here \n\0rest"), "ptxas error : here");
    assert_eq!(log(b"all of it"), "all of it");
    assert_eq!(log(b"\0"), "");
}
