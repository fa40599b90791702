import CInterprocess
import Glibc
import Synchronization
package import SystemPackage

/// The descriptor behind a value that can travel in messages, open as long as somebody refers to it.
final class PassableDescriptor: Sendable {
  let descriptor: OwnedDescriptor

  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}

/// The descriptors of one message while its value is encoded. The value's bytes have each one's number in this list.
package final class PassedDescriptors: Sendable {
  private let passed = Mutex<[PassableDescriptor]>([])

  package init() {}

  /// - Returns: the number by which the other side finds it.
  func append(_ descriptor: PassableDescriptor) -> Int {
    passed.withLock { passed in
      passed.append(descriptor)
      return passed.count - 1
    }
  }

  package var count: Int { passed.withLock { $0.count } }

  /// Open as long as this list is there.
  package var fileDescriptors: [FileDescriptor] { passed.withLock { $0.map { $0.descriptor.fileDescriptor } } }
}

/// The descriptors that came with a message while its value is decoded; those that nobody took are closed with it.
package final class ArrivedDescriptors: Sendable {
  private let arrived: Mutex<[CInt?]>
  private let recent: RecentMemory?

  package init(_ received: consuming ReceivedDescriptors) {
    var numbers: [CInt?] = []
    while let descriptor = received.takeFirst() { numbers.append(descriptor.release().rawValue) }
    arrived = Mutex(numbers)
    recent = nil
  }

  /// Owns these from now on.
  ///
  /// - Parameter recent: what is mapped already.
  package init(adopting numbers: [CInt], _ recent: RecentMemory? = nil) {
    arrived = Mutex(numbers)
    self.recent = recent
  }

  deinit {
    for case let number? in takeAll() { close(number) }
  }

  /// - Returns: `nil` when no such descriptor came, or when it was taken already.
  package func take(_ index: Int) -> OwnedDescriptor? {
    let number = arrived.withLock { arrived -> CInt? in
      guard arrived.indices.contains(index) else { return nil }
      return arrived[index].take()
    }
    return number.map { OwnedDescriptor(adopting: $0) }
  }

  /// - Returns: the memory behind a descriptor; `nil` as above.
  func takeMemory(_ index: Int) throws(InterprocessError) -> ArrivedMemory? {
    guard let descriptor = take(index) else { return nil }
    if let recent { return try recent.memory(of: descriptor) }
    return try ArrivedMemory(descriptor)
  }

  /// Gives those that nobody took to `received`.
  func giveRest(to received: inout ReceivedDescriptors) { received.adopt(takeAll().compactMap { $0 }) }

  private func takeAll() -> [CInt?] {
    arrived.withLock { arrived in
      defer { arrived = [] }
      return arrived
    }
  }
}

extension CodingUserInfoKey {
  // Failable for the protocol's sake: there is no string that it refuses.
  package static let passedDescriptors = CodingUserInfoKey(rawValue: "interprocess.passed").unsafelyUnwrapped
  package static let arrivedDescriptors = CodingUserInfoKey(rawValue: "interprocess.arrived").unsafelyUnwrapped
}
