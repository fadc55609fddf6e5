// A website that certifies its pages in version 2, one page in version 1, and some pages wrongly or not at all.
import Array "mo:core/Array";
import Base64 "mo:core/Base64";
import Blob "mo:core/Blob";
import CertifiedData "mo:core/CertifiedData";
import Nat "mo:core/Nat";
import Nat16 "mo:core/Nat16";
import Nat8 "mo:core/Nat8";
import Nat32 "mo:core/Nat32";
import Text "mo:core/Text";
import VarArray "mo:core/VarArray";

persistent actor {
  type Header = (Text, Text);
  type Request = { method : Text; url : Text; headers : [Header]; body : Blob; certificate_version : ?Nat16 };
  type UpdateRequest = { method : Text; url : Text; headers : [Header]; body : Blob };
  type Token = { page : Text; piece : Nat };
  type Piece = { body : Blob; token : ?Token };
  type Strategy = { #Callback : { callback : shared query Token -> async Piece; token : Token } };
  type Response = {
    status_code : Nat16;
    headers : [Header];
    body : Blob;
    upgrade : ?Bool;
    streaming_strategy : ?Strategy;
  };
  type Page = { path : Text; status : Nat16; headers : [Header]; body : Text };
  type Node = { #leaf : Blob; #branches : [(Blob, Node)] };

  var count : Nat = 0;

  // What the pages are.

  transient let html : Header = ("content-type", "text/html; charset=utf-8");
  transient let plain : Header = ("content-type", "text/plain");

  func home() : Page = {
    path = "/";
    status = 200;
    headers = [html];
    body = "<!doctype html><html><head><title>A certified website</title>" #
    "<link rel=\"stylesheet\" href=\"/style.css\"></head><body><h1>Served by a canister</h1>" #
    "<p id=\"told\">The script has not run.</p><script src=\"/script.js\"></script></body></html>";
  };
  func all_pages() : [Page] = [
    home(),
    {
      path = "/style.css";
      status = 200;
      headers = [("content-type", "text/css")];
      body = "body { font-family: sans-serif; background: #eef; margin: 3em } h1 { color: #226 }";
    },
    {
      path = "/script.js";
      status = 200;
      headers = [("content-type", "text/javascript")];
      body = "document.getElementById('told').textContent = 'The script of the canister ran.'; " #
      "fetch('/count', { method: 'POST' }).then((answer) => answer.text()).then((text) => { " #
      "document.getElementById('told').textContent += ' Counted: ' + text + '.' });";
    },
    { path = "/stream"; status = 200; headers = [plain]; body = "one, two, three" },
    { path = "/forged"; status = 200; headers = [plain]; body = "what is certified" },
    { path = "/moved"; status = 301; headers = [plain, ("location", "/")]; body = "elsewhere" },
  ];
  transient let pages : [Page] = all_pages();
  transient let found : Page = { path = "/search"; status = 200; headers = [plain]; body = "found" };
  transient let missing : Page = { path = "*"; status = 404; headers = [plain]; body = "There is no such page." };
  transient let legacy = "certified by its path alone";

  // Which headers are covered: the type, and the place to which a page moved.

  func response_part_text() : Text = "response_certification:ResponseCertification{certified_response_headers:" #
  "ResponseHeaderList{headers:[\"content-type\",\"location\"]}}";
  func of_response_text() : Text = "default_certification(ValidationArgs{certification:Certification{" #
  "no_request_certification:Empty{}," # response_part_text() # "}})";
  func of_both_text() : Text = "default_certification(ValidationArgs{certification:Certification{" #
  "request_certification:RequestCertification{certified_request_headers:[\"x-language\"]," #
  "certified_query_parameters:[\"q\"]}," # response_part_text() # "}})";
  transient let of_response = of_response_text();
  transient let of_both = of_both_text();
  transient let of_nothing = "default_certification(ValidationArgs{no_certification:Empty{}})";

  // SHA-256. Source: FIPS 180-4.

  func all_constants() : [Nat32] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  ];
  transient let constants : [Nat32] = all_constants();

  func byte(value : Nat) : Nat8 { Nat8.fromNat(value % 256) };

  func padded(content : Blob) : [var Nat8] {
    let size = content.size();
    let all = VarArray.repeat<Nat8>(0, (size + 9 + 63) / 64 * 64);
    var at = 0;
    for (each in content.vals()) { all[at] := each; at += 1 };
    all[size] := 0x80;
    var bits = size * 8;
    var place = all.size();
    while (bits > 0) { place -= 1; all[place] := byte(bits); bits /= 256 };
    all;
  };

  func word(all : [var Nat8], at : Nat) : Nat32 {
    var value : Nat32 = 0;
    for (j in Nat.range(0, 4)) { value := value << 8 | Nat32.fromNat(Nat8.toNat(all[at + j])) };
    value;
  };

  func scheduled(words : [var Nat32], i : Nat) : Nat32 {
    let a = words[i - 15];
    let b = words[i - 2];
    let s0 = (a <>> 7) ^ (a <>> 18) ^ (a >> 3);
    let s1 = (b <>> 17) ^ (b <>> 19) ^ (b >> 10);
    words[i - 16] +% s0 +% words[i - 7] +% s1;
  };

  func first_sum(now : [var Nat32], i : Nat, word : Nat32) : Nat32 {
    let s1 = (now[4] <>> 6) ^ (now[4] <>> 11) ^ (now[4] <>> 25);
    let choice = (now[4] & now[5]) ^ ((^now[4]) & now[6]);
    now[7] +% s1 +% choice +% constants[i] +% word;
  };

  func second_sum(now : [var Nat32]) : Nat32 {
    let s0 = (now[0] <>> 2) ^ (now[0] <>> 13) ^ (now[0] <>> 22);
    s0 +% ((now[0] & now[1]) ^ (now[0] & now[2]) ^ (now[1] & now[2]));
  };

  func mix(now : [var Nat32], i : Nat, word : Nat32) {
    let first = first_sum(now, i, word);
    let second = second_sum(now);
    var j = 7;
    while (j > 0) { now[j] := now[j - 1]; j -= 1 };
    now[4] := now[4] +% first;
    now[0] := first +% second;
  };

  func mix_block(state : [var Nat32], all : [var Nat8], block : Nat) {
    let words = VarArray.repeat<Nat32>(0, 64);
    let now = VarArray.clone(state);
    for (i in Nat.range(0, 64)) {
      words[i] := if (i < 16) word(all, block + i * 4) else scheduled(words, i);
      mix(now, i, words[i]);
    };
    for (i in Nat.range(0, 8)) { state[i] := state[i] +% now[i] };
  };

  func sha256(content : Blob) : Blob {
    let all = padded(content);
    let state = VarArray.fromArray<Nat32>([
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    ]);
    var block = 0;
    while (block < all.size()) { mix_block(state, all, block); block += 64 };
    Blob.fromArray(Array.tabulate<Nat8>(32, func i = byte(Nat32.toNat(state[i / 4] >> Nat32.fromNat(24 - i % 4 * 8)))));
  };

  func joined(parts : [Blob]) : Blob { Blob.fromArray(Array.flatten(Array.map<Blob, [Nat8]>(parts, Blob.toArray))) };

  func hash_of_text(text : Text) : Blob { sha256(Text.encodeUtf8(text)) };

  // Hashes of requests and responses.

  func hash_of_pairs(pairs : [(Text, Blob)]) : Blob {
    let hashed = Array.map<(Text, Blob), Blob>(pairs, func(name, value) = joined([hash_of_text(name), sha256(value)]));
    sha256(joined(Array.sort(hashed, Blob.compare)));
  };

  func texts(headers : [Header]) : [(Text, Blob)] {
    Array.map<Header, (Text, Blob)>(headers, func(name, value) = (name, Text.encodeUtf8(value)));
  };

  func number(value : Nat) : Blob {
    if (value < 128) Blob.fromArray([byte(value)]) else joined([Blob.fromArray([byte(value % 128 + 128)]), number(value / 128)]);
  };

  func response_hash(page : Page, expression : Text) : Blob {
    let fixed = [("ic-certificateexpression", Text.encodeUtf8(expression)), (":ic-cert-status", number(Nat16.toNat(page.status)))];
    let headers = hash_of_pairs(Array.concat(texts(page.headers), fixed));
    sha256(joined([headers, hash_of_text(page.body)]));
  };

  func searched_hash() : Blob = sha256(joined([
    hash_of_pairs([
      (":ic-cert-method", Text.encodeUtf8("GET")),
      (":ic-cert-query", Text.encodeUtf8("q=canister")),
      ("x-language", Text.encodeUtf8("Motoko")),
    ]),
    sha256(""),
  ]));
  transient let searched : Blob = searched_hash();

  // The tree.

  func placed(node : Node, path : [Blob], value : Blob) : Node {
    if (path.size() == 0) return #leaf value;
    let branches = switch node { case (#branches known) known; case (#leaf _) [] };
    let rest = Array.sliceToArray(path, 1, path.size());
    var below : Node = #branches([]);
    for ((label_, under) in branches.vals()) { if (label_ == path[0]) below := under };
    let others = Array.filter<(Blob, Node)>(branches, func(label_, _) = label_ != path[0]);
    let all = Array.concat(others, [(path[0], placed(below, rest, value))]);
    #branches(Array.sort<(Blob, Node)>(all, func(a, b) = Blob.compare(a.0, b.0)));
  };

  func tagged(name : Text, parts : [Blob]) : Blob {
    let separator = "ic-hashtree-" # name;
    sha256(joined(Array.concat([Blob.fromArray([byte(separator.size())]), Text.encodeUtf8(separator)], parts)));
  };

  func root_of(node : Node, from : Nat) : Blob {
    switch node {
      case (#leaf value) tagged("leaf", [value]);
      case (#branches branches) {
        if (from == branches.size()) return tagged("empty", []);
        let (label_, under) = branches[from];
        let own = tagged("labeled", [label_, root_of(under, 0)]);
        if (from + 1 == branches.size()) own else tagged("fork", [own, root_of(node, from + 1)]);
      };
    };
  };

  func encoded(node : Node, from : Nat) : Blob {
    switch node {
      case (#leaf value) joined(["\82\03" : Blob, bytes(value)]);
      case (#branches branches) {
        if (from == branches.size()) return "\81\00";
        let (label_, under) = branches[from];
        let own = joined(["\83\02" : Blob, bytes(label_), encoded(under, 0)]);
        if (from + 1 == branches.size()) own else joined(["\83\01" : Blob, own, encoded(node, from + 1)]);
      };
    };
  };

  transient let self_described : Blob = "\d9\d9\f7";

  func head(kind : Nat8, size : Nat) : Blob {
    if (size < 24) Blob.fromArray([kind + byte(size)]) else Blob.fromArray([kind + 25, byte(size / 256), byte(size)]);
  };

  func bytes(content : Blob) : Blob { joined([head(0x40, content.size()), content]) };

  func segments(path : Text) : [Text] {
    if (path == "*") return ["http_expr", "<*>"];
    let parts = Array.fromIter<Text>(Text.split(path, #char '/'));
    Array.concat(Array.concat(["http_expr"], Array.sliceToArray(parts, 1, parts.size())), ["<$>"]);
  };

  func labels(path : Text) : [Blob] { Array.map(segments(path), Text.encodeUtf8) };

  func whole() : Node {
    var made : Node = #branches([]);
    for (page in Array.concat(pages, [missing]).vals()) {
      made := placed(made, Array.concat(labels(page.path), [hash_of_text(of_response), "" : Blob, response_hash(page, of_response)]), "");
    };
    made := placed(made, Array.concat(labels(found.path), [hash_of_text(of_both), searched, response_hash(found, of_both)]), "");
    made := placed(made, Array.concat(labels("/dynamic"), [hash_of_text(of_nothing)]), "");
    placed(made, ["http_assets", "/legacy"], hash_of_text(legacy));
  };

  func certified(tree : Node) : Node {
    CertifiedData.set(root_of(tree, 0));
    tree;
  };

  transient let tree : Node = certified(whole());
  transient let tree_in_base64 : Text = Base64.encode(joined([self_described, encoded(tree, 0)]));

  // Answers.

  func proof(path : Text) : Header {
    let certificate = switch (CertifiedData.getCertificate()) { case (?known) known; case null "" : Blob };
    let start = "certificate=:" # Base64.encode(certificate) # ":, tree=:" # tree_in_base64 # ":";
    if (path == "") return ("IC-Certificate", start);
    let parts = Array.map<Text, Blob>(segments(path), func one = joined([head(0x60, Text.encodeUtf8(one).size()), Text.encodeUtf8(one)]));
    let encoded_path = joined(Array.concat([self_described, head(0x80, parts.size())], parts));
    ("IC-Certificate", start # ", version=2, expr_path=:" # Base64.encode(encoded_path) # ":");
  };

  func plainly(status : Nat16, headers : [Header], body : Text) : Response {
    { status_code = status; headers; body = Text.encodeUtf8(body); upgrade = null; streaming_strategy = null };
  };

  func answer(page : Page, expression : Text) : Response {
    let more : [Header] = [("IC-CertificateExpression", expression), proof(page.path), ("x-uncertified", "yes")];
    plainly(page.status, Array.concat(page.headers, more), page.body);
  };

  func page_at(path : Text) : Page {
    for (page in pages.vals()) { if (page.path == path) return page };
    missing;
  };

  transient let words = ["one, ", "two, ", "three"];

  public query func http_request(request : Request) : async Response {
    let parts = Array.fromIter<Text>(Text.split(request.url, #char '?'));
    switch (parts[0]) {
      case "/count" { { plainly(200, [], "") with upgrade = ?true } };
      case "/search" answer(found, of_both);
      case "/legacy" plainly(200, [plain, proof("")], legacy);
      case "/uncertified" plainly(200, [plain], "anybody could have said this");
      case "/dynamic" answer({ found with path = "/dynamic"; body = "counted " # Nat.toText(count) }, of_nothing);
      case "/forged" answer({ page_at("/forged") with body = "something else" }, of_response);
      case "/echo" plainly(200, [plain], request.method # " " # request.url);
      case "/stream" {
        let start = answer({ page_at("/stream") with body = words[0] }, of_response);
        let token : Token = { page = "/stream"; piece = 1 };
        { start with streaming_strategy = ?#Callback({ callback = next_piece; token }) };
      };
      case "/trap" { assert false; plainly(500, [], "") };
      case path answer(page_at(path), of_response);
    };
  };

  public query func next_piece(token : Token) : async Piece {
    let next = token.piece + 1;
    let more : ?Token = if (next < words.size()) ?{ token with piece = next } else null;
    { body = Text.encodeUtf8(words[token.piece]); token = more };
  };

  public func http_request_update(request : UpdateRequest) : async Response {
    count += 1;
    plainly(200, [plain], Nat.toText(count) # " " # request.method);
  };
};
