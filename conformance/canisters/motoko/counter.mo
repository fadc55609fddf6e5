// A counter that upgrades keep, beside one that they do not.
persistent actor {
  var kept : Nat = 0;
  transient var forgotten : Nat = 0;

  // Adds one to both; replies with the kept one.
  public func inc() : async Nat {
    kept += 1;
    forgotten += 1;
    kept
  };

  public func set(value : Nat) : async () {
    kept := value;
    forgotten := value
  };

  public query func read() : async Nat { kept };

  public query func read_forgotten() : async Nat { forgotten };
};
