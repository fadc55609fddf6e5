// Shows which changes last when a method traps after an `await`: those that were made before it.
import Prim "mo:⛔";

persistent actor Awaiter {
  type Peer = actor { pause : () -> async () };

  var before : Nat = 0;
  var after : Nat = 0;

  // What is awaited.
  public func pause() : async () {};

  func work(peer : Peer, traps : Bool) : async* () {
    before += 1;
    await peer.pause();
    after += 1;
    if traps { Prim.trap("after the await") };
  };

  // Awaits a call to this canister itself.
  public func await_self(traps : Bool) : async () { await* work(Awaiter, traps) };

  // Awaits a call to another canister that has `pause`.
  public func await_peer(peer : Principal, traps : Bool) : async () {
    await* work(actor (debug_show peer), traps)
  };

  // Traps without having awaited anything, so that nothing lasts.
  public func trap_at_once() : async () {
    before += 1;
    Prim.trap("at once")
  };

  // Catches the reject that an awaited call ends with; replies with whether there was one.
  public func catch_peer(peer : Principal) : async Bool {
    before += 1;
    let other : Peer = actor (debug_show peer);
    try { await other.pause(); after += 1; false } catch _ { true }
  };

  public query func kept() : async { before : Nat; after : Nat } { { before; after } };
};
