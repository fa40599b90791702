import Glibc
import Interprocess
import SystemPackage
import WorkerPrograms
import Workers

// A program with top-level code. One scenario a run, named by the first argument; each line it prints is one fact.

/// The marker set by hand and a worker must both leave this alone.
print("main runs")
fflush(nil)

do {
  try scenario(Array(CommandLine.arguments.dropFirst()))
} catch {
  print("error: \(error)")
  exit(1)
}
