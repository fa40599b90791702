import ArgumentParser
import CInterprocess
import Glibc
import Interprocess

struct RemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm",
    abstract: "Remove queues, shared memory, semaphores and sockets, or all that nobody holds.",
    discussion: """
      Removes the objects at the addresses given, or with --stale those that no process holds. What a live process \
      holds is not touched, unless --force says so: memory and POSIX queues then lose their names, and live on for \
      those that have them open; a System V queue or semaphore set is gone for everybody at once.

      \(ObjectAddress.forms)

      With --stale, it shows what it would remove and asks; kinds and addresses restrict it to those. Not every stale \
      object is litter: some programs leave one on purpose, to find it again. ipc help ls says what makes one stale. \
      A socket's path that a dead server left is no object of the kernel's, and is found by its address only.

      EXAMPLES
        ipc rm posix-message-queue:/jobs          one object
        ipc rm system-v-semaphore:id=3 unix-socket:/run/app.sock
        ipc rm --stale --dry-run                  shows what nobody holds
        ipc rm --stale                            asks, and removes it
        ipc rm --stale --yes posix-shared-memory  does not ask; one kind only

      The exit code is 0 when all was removed; 1 when something was not, which standard error explains, the rest being \
      removed all the same; and 64 for arguments of which none makes sense.
      """)

  @Flag(help: "Remove what no process holds.")
  var stale = false

  @Flag(help: "Show what would be removed, and remove nothing.")
  var dryRun = false

  @Flag(help: "Do not ask: for scripts.")
  var yes = false

  @Flag(help: "Remove even what a live process holds.")
  var force = false

  @Argument(help: ArgumentHelp("An object's address, with --stale also a kind.", valueName: "address"))
  var operands: [String] = []

  func validate() throws {
    if stale, force { throw ValidationError("--force: with --stale, nothing that a process holds is removed") }
    if !stale, operands.isEmpty {
      throw ValidationError(
        "say what to remove: an address, as ipc ls shows them, or --stale for all that nobody holds")
    }
  }

  func run() throws {
    let isDone = stale ? try removeStale() : try removeNamed()
    try finishOutput()
    if !isDone { throw ExitCode.failure }
  }

  /// - Returns: whether everything could be removed.
  private func removeNamed() throws -> Bool {
    var isDone = true
    var addresses: [ObjectAddress] = []
    for operand in operands {
      do {
        let selector = try ObjectSelector(parsing: operand)
        // A kind alone is no address, and parsing it as one says so.
        addresses.append(try selector.address ?? ObjectAddress(parsing: operand))
      } catch {
        complain("\(error)")
        isDone = false
      }
    }
    if addresses.isEmpty { throw ExitCode.validationFailure }
    let listing = ObjectListing(addresses.map(ObjectSelector.address))
    for address in addresses {
      guard let object = listing.object(at: address) else {
        complain(address.isUnknown)
        isDone = false
        continue
      }
      if !remove(object) { isDone = false }
    }
    return isDone
  }

  /// - Returns: whether everything could be removed.
  private func removeStale() throws -> Bool {
    let selectors = try operands.map(ObjectSelector.init(parsing:))
    let listing = ObjectListing(selectors)
    for notice in listing.notices { complain(notice) }
    for address in listing.missing { complain(address.isUnknown) }
    let found = listing.objects.filter(\.holders.isStale)
    if found.isEmpty {
      print("nothing is stale")
      return listing.missing.isEmpty
    }
    for line in ListedObject.table(of: found) { printNow(line) }
    if dryRun {
      for object in found { _ = remove(object) }
      return listing.missing.isEmpty
    }
    guard try yes || isConfirmed(found.count) else {
      print("nothing was removed")
      return false
    }
    return removeThoseStillStale(found, selectors) && listing.missing.isEmpty
  }

  private func isConfirmed(_ count: Int) throws -> Bool {
    guard isatty(STDIN_FILENO) == 1 else {
      complain(
        "rm --stale asks before it removes, and standard input is no terminal: nothing was removed; --yes does "
          + "without asking")
      throw ExitCode.failure
    }
    printToStandardError("Remove \(count == 1 ? "it" : "these \(count)")? [y/N] ")
    return ["y", "yes"].contains(readLine()?.lowercased())
  }

  /// Between the question and the answer somebody may have come to use them, so they are looked at again.
  private func removeThoseStillStale(_ found: [ListedObject], _ selectors: [ObjectSelector]) -> Bool {
    let now = ObjectListing(selectors)
    var isDone = true
    for object in found {
      guard let current = now.objects.first(where: { $0.isSame(as: object) }) else {
        complain("\(object.address.description.printable): it has gone meanwhile")
        continue
      }
      guard current.holders.isStale else {
        complain("\(object.address.description.printable): not removed, it came into use meanwhile")
        isDone = false
        continue
      }
      if !remove(current) { isDone = false }
    }
    return isDone
  }

  /// - Returns: whether the object was removed, or would be.
  private func remove(_ object: ListedObject) -> Bool {
    let address = object.address.description.printable
    if !force, let reason = object.reasonToKeep {
      complain("\(address): not removed, \(reason)")
      return false
    }
    if dryRun {
      printNow("would remove \(address)")
      return true
    }
    do {
      try object.remove(force: force)
      printNow("removed \(address)")
      return true
    } catch {
      complain("\(address): not removed, \(error)")
      return false
    }
  }
}
