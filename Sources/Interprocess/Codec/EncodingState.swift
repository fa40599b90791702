/// What all scopes of one call of ``CBOREncoder`` share.
final class EncodingState {
  let maximumDepth: Int
  private let givenUserInfo: [CodingUserInfoKey: any Sendable]
  private let lateUserInfo: (key: CodingUserInfoKey, value: any Sendable)?
  let shortcuts = CBORShortcuts.shared
  @exclusivity(unchecked) private var freeScopes: [EncodingScope] = []
  /// Scopes that refer to others that refer to them.
  @exclusivity(unchecked) private var scopesWithDeferred: [EncodingScope] = []

  init(
    maximumDepth: Int, userInfo: [CodingUserInfoKey: any Sendable],
    late: (key: CodingUserInfoKey, value: any Sendable)? = nil
  ) {
    self.maximumDepth = maximumDepth
    givenUserInfo = userInfo
    lateUserInfo = late
  }

  var userInfo: [CodingUserInfoKey: any Sendable] { givenUserInfo.adding(lateUserInfo) }

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

extension [CodingUserInfoKey: any Sendable] {
  /// With one more.
  func adding(_ late: (key: CodingUserInfoKey, value: any Sendable)?) -> Self {
    guard let late else { return self }
    var all = self
    all[late.key] = late.value
    return all
  }
}
