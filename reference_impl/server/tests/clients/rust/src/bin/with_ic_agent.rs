//! The agent takes a served instance through its paces, with all that it verifies. It is told the address, a module with a
//! counter, an effective canister id for what is created, and perhaps one of another subnet.

use candid::{CandidType, Decode, Deserialize, Encode, Nat, Principal};
use ic_agent::agent::AgentError;
use ic_agent::identity::{BasicIdentity, DelegatedIdentity, Delegation, Identity, Secp256k1Identity, SignedDelegation};
use ic_agent::Agent;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(CandidType)]
struct Creation {
    amount: Option<Nat>,
}

#[derive(CandidType, Deserialize, Clone)]
struct About {
    canister_id: Principal,
}

#[derive(CandidType)]
#[allow(non_camel_case_types)]
enum Mode {
    install,
    upgrade(Option<Upgrade>),
}

#[derive(CandidType)]
struct Upgrade {
    wasm_memory_persistence: Option<Persistence>,
}

#[derive(CandidType)]
#[allow(non_camel_case_types)]
enum Persistence {
    keep,
}

#[derive(CandidType)]
struct Installation {
    mode: Mode,
    canister_id: Principal,
    wasm_module: Vec<u8>,
    arg: Vec<u8>,
}

#[derive(CandidType)]
struct Chunk {
    canister_id: Principal,
    chunk: Vec<u8>,
}

#[derive(CandidType, Deserialize, Clone)]
struct ChunkHash {
    hash: Vec<u8>,
}

#[derive(CandidType)]
struct ChunkedInstallation {
    mode: Mode,
    target_canister: Principal,
    store_canister: Option<Principal>,
    chunk_hashes_list: Vec<ChunkHash>,
    wasm_module_hash: Vec<u8>,
    arg: Vec<u8>,
}

#[derive(CandidType, Deserialize)]
struct Snapshot {
    id: Vec<u8>,
}

#[derive(CandidType)]
struct Loading {
    canister_id: Principal,
    snapshot_id: Vec<u8>,
}

#[derive(CandidType, Deserialize)]
struct LogRecord {
    content: Vec<u8>,
}

#[derive(CandidType, Deserialize)]
struct Log {
    canister_log_records: Vec<LogRecord>,
}

struct Of<'a> {
    agent: &'a Agent,
    canister: Principal,
}

impl Of<'_> {
    async fn manage(&self, method: &str, argument: Vec<u8>) -> Result<Vec<u8>, AgentError> {
        let call = self.agent.update(&Principal::management_canister(), method);
        call.with_effective_canister_id(self.canister).with_arg(argument).call_and_wait().await
    }

    async fn update(&self, method: &str) -> Result<Vec<u8>, AgentError> {
        self.agent.update(&self.canister, method).with_arg(Encode!().unwrap()).call_and_wait().await
    }

    async fn created(agent: &Agent, effective: Principal) -> Principal {
        let creating = Of { agent, canister: effective };
        let argument = Encode!(&Creation { amount: Some(Nat::from(100_000_000_000_000u64)) }).unwrap();
        let created = creating.manage("provisional_create_canister_with_cycles", argument).await.expect("created");
        Decode!(&created, About).unwrap().canister_id
    }

    async fn install(&self, module: &[u8]) {
        let (mode, wasm_module, arg) = (Mode::install, module.to_vec(), Encode!().unwrap());
        let installation = Installation { mode, canister_id: self.canister, wasm_module, arg };
        self.manage("install_code", Encode!(&installation).unwrap()).await.expect("installed");
    }

    async fn log(&self) -> Vec<String> {
        let argument = Encode!(&About { canister_id: self.canister }).unwrap();
        let asked = self.agent.query(&Principal::management_canister(), "fetch_canister_logs").with_arg(argument);
        let told = asked.with_effective_canister_id(self.canister).call_with_verification().await.expect("the log");
        let log = Decode!(&told, Log).unwrap().canister_log_records;
        log.into_iter().map(|one| String::from_utf8_lossy(&one.content).split(':').next().unwrap().to_string()).collect()
    }

    async fn read(&self) -> u64 {
        let asked = self.agent.query(&self.canister, "read").with_arg(Encode!().unwrap());
        number(asked.call_with_verification().await.expect("read"))
    }
}

fn number(bytes: Vec<u8>) -> u64 {
    u64::try_from(Decode!(&bytes, Nat).expect("a number").0).expect("a small number")
}

fn code_of(problem: AgentError) -> String {
    match problem {
        AgentError::CertifiedReject { reject, .. } => format!("certified {:?}", reject.reject_code),
        AgentError::UncertifiedReject { reject, .. } => format!("uncertified {:?}", reject.reject_code),
        other => format!("{other}"),
    }
}

async fn agent(url: &str, identity: impl Identity + 'static) -> Agent {
    let made = Agent::builder().with_url(url).with_identity(identity).with_verify_query_signatures(true).build();
    let made = made.expect("an agent");
    made.fetch_root_key().await.expect("the root key");
    made
}

fn secret(number: u8) -> k256::SecretKey {
    k256::SecretKey::from_slice(&[number; 32]).expect("a secret")
}

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().collect();
    let (url, module) = (given[1].as_str(), std::fs::read(&given[2]).expect("the module"));
    let effective = Principal::from_text(&given[3]).expect("an id");

    let user = agent(url, BasicIdentity::from_raw_key(&[1; 32])).await;
    let canister = Of::created(&user, effective).await;
    let counter = Of { agent: &user, canister };
    counter.install(&module).await;
    let increased = number(counter.update("inc").await.expect("inc"));
    let read = counter.read().await;
    let reject = code_of(counter.update("missing").await.expect_err("no such method"));
    let query = user.query(&canister, "missing").with_arg(Encode!().unwrap()).call_with_verification().await;
    let query_reject = code_of(query.expect_err("no such method"));

    let mut hashes = Vec::new();
    for chunk in module.chunks(1 << 17) {
        let argument = Encode!(&Chunk { canister_id: canister, chunk: chunk.to_vec() }).unwrap();
        let stored = counter.manage("upload_chunk", argument).await.expect("stored");
        hashes.push(Decode!(&stored, ChunkHash).unwrap());
    }
    let hash = user.read_state_canister_module_hash(canister).await.expect("the hash");
    let keep = Upgrade { wasm_memory_persistence: Some(Persistence::keep) };
    let upgrade = ChunkedInstallation {
        mode: Mode::upgrade(Some(keep)),
        target_canister: canister,
        store_canister: None,
        chunk_hashes_list: hashes,
        wasm_module_hash: hash.clone(),
        arg: Encode!().unwrap(),
    };
    counter.manage("install_chunked_code", Encode!(&upgrade).unwrap()).await.expect("upgraded");
    let read_after_upgrade = counter.read().await;

    let about = Encode!(&About { canister_id: canister }).unwrap();
    let taken = counter.manage("take_canister_snapshot", about).await.expect("a snapshot");
    counter.update("inc").await.expect("inc");
    let loading = Loading { canister_id: canister, snapshot_id: Decode!(&taken, Snapshot).unwrap().id };
    counter.manage("load_canister_snapshot", Encode!(&loading).unwrap()).await.expect("loaded");
    let read_after_loading = counter.read().await;
    let misled = user.update(&canister, "set").with_arg(Encode!(&"a text").unwrap()).call_and_wait().await;
    let trap = code_of(misled.expect_err("no number"));
    let logged = counter.log().await;

    let controllers = user.read_state_canister_controllers(canister).await.expect("controllers");
    let has_candid = user.read_state_canister_metadata(canister, "candid:service").await.is_ok();
    let subnet = user.get_subnet_by_canister(&canister).await.expect("the subnet");

    let mut elsewhere = None;
    if let Some(another) = given.get(4) {
        let there = Of::created(&user, Principal::from_text(another).expect("an id")).await;
        let far = Of { agent: &user, canister: there };
        far.install(&module).await;
        far.update("inc").await.expect("inc");
        let its = user.get_subnet_by_canister(&there).await.expect("the other subnet");
        elsewhere = Some((far.read().await, its.id() != subnet.id()));
    }

    let session = Secp256k1Identity::from_private_key(secret(2));
    let root = BasicIdentity::from_raw_key(&[1; 32]);
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 + 600_000_000_000;
    let delegation = Delegation { pubkey: session.public_key().unwrap(), expiration: until, targets: Some(vec![canister]), permissions: None };
    let signed = root.sign_delegation(&delegation).unwrap().signature.unwrap();
    let chain = vec![SignedDelegation { delegation, signature: signed }];
    let delegated = DelegatedIdentity::new(root.public_key().unwrap(), Box::new(session), chain).expect("a chain");
    let through = agent(url, delegated).await;
    let by_session = number(Of { agent: &through, canister }.update("inc").await.expect("inc"));

    let mut stranger = agent(url, Secp256k1Identity::from_private_key(secret(3))).await;
    let by_stranger = Of { agent: &stranger, canister };
    let refused = code_of(by_stranger.manage("stop_canister", Encode!(&About { canister_id: canister }).unwrap()).await.expect_err("no"));
    let mut key = stranger.read_root_key();
    key[132] ^= 1;
    stranger.set_root_key(key);
    stranger.set_identity(BasicIdentity::from_raw_key(&[4; 32]));
    let wrong_key = stranger.update(&canister, "inc").with_arg(Encode!().unwrap()).call_and_wait().await.is_err();

    println!(
        "{}",
        json!({
            "increased": increased,
            "read": read,
            "reject": reject,
            "query_reject": query_reject,
            "read_after_upgrade": read_after_upgrade,
            "read_after_loading": read_after_loading,
            "trap": trap,
            "logged": logged,
            "elsewhere": elsewhere,
            "hash_length": hash.len(),
            "controllers": controllers == vec![user.get_principal().unwrap()],
            "has_candid": has_candid,
            "is_in_ranges": subnet.contains_canister(&canister),
            "by_session": by_session,
            "refused": refused,
            "wrong_key": wrong_key,
        })
    );
}
