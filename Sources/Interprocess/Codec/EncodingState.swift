/// What all scopes of one call of ``CBOREncoder`` share.
final class EncodingState {
  let maximumDepth: Int
  let userInfo: [CodingUserInfoKey: any Sendable]
  let shortcuts = CBORShortcuts.shared
  @exclusivity(unchecked) private var freeScopes: [EncodingScope] = []
  /// Scopes that refer to others that refer to them.
  @exclusivity(unchecked) private var scopesWithDeferred: [EncodingScope] = []

  init(maximumDepth: Int, userInfo: [CodingUserInfoKey: any Sendable]) {
    self.maximumDepth = maximumDepth
    self.userInfo = userInfo
  }

  func makeScope(buffer: CBORBuffer) -> EncodingScope {
    guard let scope = freeScopes.popLast() else { return EncodingScope(self, buffer) }
    scope.buffer = buffer
    return scope
  }

  /// Takes a scope back, unless somebody kept it.
  func recycle(_ scope: consuming EncodingScope) {
    guard isKnownUniquelyReferenced(&scope) else { return }
    scope.reset()
    freeScopes.append(scope)
  }

  func noteDeferred(of scope: EncodingScope) { scopesWithDeferred.append(scope) }

  /// Undoes all circles of references, also after an error.
  func close() {
    for scope in scopesWithDeferred { scope.forgetDeferred() }
    scopesWithDeferred = []
    freeScopes = []
  }
}
