// One of two canisters that send each other cycles. Either can play either part.
import Prim "mo:⛔";

persistent actor {
  type Peer = actor {
    take : (limit : Nat) -> async { offered : Nat; accepted : Nat };
  };

  var received : Nat = 0;
  var calls_made : Nat = 0;

  // Accepts at most `limit` of the cycles that come with the call.
  public func take(limit : Nat) : async { offered : Nat; accepted : Nat } {
    let offered = Prim.cyclesAvailable();
    let accepted = Prim.cyclesAccept<system>(limit);
    received += accepted;
    { offered; accepted }
  };

  // Calls `take` of the peer with cycles attached, and reports what came back and how the own balance changed.
  public func send(peer : Principal, attached : Nat, limit : Nat) : async {
    offered : Nat;
    accepted : Nat;
    refunded : Nat;
    balance_before : Nat;
    balance_after : Nat;
  } {
    let balance_before = Prim.cyclesBalance();
    calls_made += 1;
    let other : Peer = actor (debug_show peer);
    let { offered; accepted } = await (with cycles = attached) other.take(limit);
    {
      offered;
      accepted;
      refunded = Prim.cyclesRefunded();
      balance_before;
      balance_after = Prim.cyclesBalance();
    }
  };

  public query func report() : async { balance : Nat; received : Nat; calls_made : Nat } {
    { balance = Prim.cyclesBalance(); received; calls_made }
  };
};
