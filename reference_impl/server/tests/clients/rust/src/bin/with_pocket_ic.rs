//! The client of PocketIC takes a server through its paces. It is told the executable and a module with a counter.

use candid::{Decode, Encode, Nat, Principal};
use pocket_ic::common::rest::BlobCompression;
use pocket_ic::{PocketIcBuilder, RejectCode};
use serde_json::json;
use std::time::Duration;

fn number(bytes: Vec<u8>) -> u64 {
    let told = Decode!(&bytes, Nat).expect("a number");
    u64::try_from(told.0).expect("a small number")
}

/// The module with a section that says nothing, which makes it too large for a message.
fn padded(module: &[u8], size: usize) -> Vec<u8> {
    let mut left = size + 8;
    let mut made = [module, &[0]].concat();
    while left >= 128 {
        made.push((left % 128) as u8 | 128);
        left /= 128;
    }
    made.extend([left as u8, 7]);
    made.extend(b"padding");
    made.resize(made.len() + size, 0);
    made
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let module = std::fs::read(&given[2]).expect("the module");
    let nobody = Principal::anonymous();
    let nothing = Encode!().unwrap();

    let pic = PocketIcBuilder::new()
        .with_server_binary(given[1].clone().into())
        .with_nns_subnet()
        .with_application_subnet()
        .with_application_subnet()
        .build();
    let topology = pic.topology();
    let subnets = topology.get_app_subnets();

    let counter = pic.create_canister_on_subnet(None, None, subnets[0]);
    pic.add_cycles(counter, 2_000_000_000_000);
    pic.install_canister(counter, module.clone(), nothing.clone(), None);
    let other = pic.create_canister_on_subnet(None, None, subnets[1]);
    let is_apart = pic.get_subnet(counter) == Some(subnets[0]) && pic.get_subnet(other) == Some(subnets[1]);

    let increased = number(pic.update_call(counter, nobody, "inc", nothing.clone()).expect("inc"));
    let read = number(pic.query_call(counter, nobody, "read", nothing.clone()).expect("read"));
    let missing = pic.update_call(counter, nobody, "missing", nothing.clone()).expect_err("no such method");
    let empty = pic.update_call(other, nobody, "inc", nothing.clone()).expect_err("no code");

    let large = pic.create_canister_on_subnet(None, None, subnets[1]);
    pic.add_cycles(large, 2_000_000_000_000);
    pic.install_canister(large, padded(&module, 2_200_000), nothing.clone(), None);
    let in_chunks = number(pic.update_call(large, nobody, "inc", nothing.clone()).expect("inc"));

    let submitted = pic.submit_call(counter, nobody, "inc", nothing.clone()).expect("taken");
    let before_rounds = number(pic.query_call(counter, nobody, "read", nothing.clone()).expect("read"));
    let awaited = number(pic.await_call(submitted).expect("inc"));

    pic.upgrade_eop_canister(counter, module.clone(), nothing.clone(), None).expect("an upgrade");
    let kept = number(pic.query_call(counter, nobody, "read", nothing.clone()).expect("read"));

    pic.stop_canister(counter, None).expect("stopped");
    let snapshot = pic.take_canister_snapshot(counter, None, None).expect("a snapshot");
    pic.start_canister(counter, None).expect("started");
    pic.update_call(counter, nobody, "inc", nothing.clone()).expect("inc");
    pic.stop_canister(counter, None).expect("stopped");
    pic.load_canister_snapshot(counter, None, snapshot.id.clone()).expect("loaded");
    pic.start_canister(counter, None).expect("started");
    let loaded = number(pic.query_call(counter, nobody, "read", nothing.clone()).expect("read"));
    let snapshots = pic.list_canister_snapshots(counter, None).expect("the list").len();

    pic.update_call(counter, nobody, "set", Encode!(&"a text").unwrap()).expect_err("no number");
    let log = pic.fetch_canister_logs(counter, nobody).expect("the log");
    let logged: Vec<_> = log.iter().map(|one| String::from_utf8_lossy(&one.content).contains("[TRAP]")).collect();

    let third = pic.create_canister();
    pic.install_canister(third, module, nothing.clone(), None);
    pic.set_stable_memory(third, vec![1, 2, 3], BlobCompression::NoCompression);
    let stable = pic.get_stable_memory(third)[..4].to_vec();

    let before = pic.get_time().as_nanos_since_unix_epoch();
    pic.advance_time(Duration::from_secs(60));
    pic.tick();
    let passed = (pic.get_time().as_nanos_since_unix_epoch() - before) / 1_000_000_000;

    let controllers = pic.get_controllers(counter) == vec![nobody];
    let outcalls = pic.get_canister_http().len();
    let status = pic.canister_status(counter, None).expect("a status");
    let log_limit = u64::try_from(status.settings.log_memory_limit.0).expect("a small number");

    pic.stop_canister(other, None).expect("stopped");
    pic.delete_canister(other, None).expect("deleted");

    println!(
        "{}",
        json!({
            "subnets": topology.subnet_configs.len(),
            "apart": is_apart,
            "increased": increased,
            "read": read,
            "missing": missing.reject_code == RejectCode::CanisterError,
            "missing_error": format!("{:?}", missing.error_code),
            "empty_error": format!("{:?}", empty.error_code),
            "in_chunks": in_chunks,
            "before_rounds": before_rounds,
            "awaited": awaited,
            "kept": kept,
            "loaded": loaded,
            "snapshots": snapshots,
            "logged": logged,
            "stable": stable,
            "passed": passed,
            "controllers": controllers,
            "outcalls": outcalls,
            "hash_length": status.module_hash.map(|hash| hash.len()),
            "log_limit": log_limit,
            "exists": pic.canister_exists(other),
            "root_key": pic.root_key().map(|key| key.len()),
        })
    );
}
