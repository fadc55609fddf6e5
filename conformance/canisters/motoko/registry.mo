// A map from texts to blobs that upgrades keep.
persistent actor {
  type Entries = ?((Text, Blob), Entries);

  var entries : Entries = null;
  var count : Nat = 0;

  func find(name : Text) : ?Blob {
    var rest = entries;
    loop {
      switch rest {
        case null { return null };
        case (?((key, value), following)) {
          if (key == name) { return ?value };
          rest := following;
        };
      };
    };
  };

  func without(name : Text, from : Entries) : Entries {
    switch from {
      case null { null };
      case (?((key, value), following)) {
        if (key == name) { following } else { ?((key, value), without(name, following)) };
      };
    };
  };

  // Replies with the value that the name had before.
  public func put(name : Text, value : Blob) : async ?Blob {
    let before = find(name);
    switch before {
      case null { count += 1 };
      case _ { entries := without(name, entries) };
    };
    entries := ?((name, value), entries);
    before
  };

  public query func get(name : Text) : async ?Blob { find(name) };

  public query func size() : async Nat { count };
};
