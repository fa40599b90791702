/// The sum of 1/(2k+1)^2 over the terms `k` of a slice.
///
/// Division is all that such a loop waits for, so eight neighbouring terms share one. Around their middle c = 2k+8,
/// with y = c^2, the terms pair off as 1/(c-a)^2 + 1/(c+a)^2 = 2(y+a^2)/(y-a^2)^2 for a = 1, 3, 5, 7, and four such
/// fractions add up to
///
///     (A v^2 + B u^2) / (u v)^2      u = (y-1)(y-9)       A = 4y^3 -  20y^2 +   92y +    180
///                                    v = (y-25)(y-49)     B = 4y^3 - 148y^2 - 3748y + 181300
///
/// The polynomials cancel near c = 7, so the first terms are added one by one.
func sliceSum(_ terms: Range<Int>) -> Double {
  let head = terms.clamped(to: 0..<64)
  let wide = terms.clamped(to: 64..<max(64, terms.upperBound))
  let steps = wide.count / termsAStep
  var sums = SIMD4<Double>.zero
  var middle = SIMD4(0, 16, 32, 48) + (2 * Double(wide.lowerBound) + 8)
  for _ in 0..<steps {
    sums += sumOfEight(around: middle)
    middle += Double(2 * termsAStep)
  }
  let tail = wide.dropFirst(steps * termsAStep)
  return sums.sum() + plainSum(tail) + plainSum(head)
}

private let termsAStep = 8 * SIMD4<Double>.scalarCount

@inline(__always)
private func sumOfEight(around middle: SIMD4<Double>) -> SIMD4<Double> {
  let y = middle * middle
  let u = (y - 10) * y + 9
  let v = (y - 74) * y + 1225
  let a = ((4 * y - 20) * y + 92) * y + 180
  let b = ((4 * y - 148) * y - 3748) * y + 181_300
  let uv = u * v
  return (a * (v * v) + b * (u * u)) / (uv * uv)
}

/// The same, term by term, the smallest first.
private func plainSum(_ terms: Range<Int>) -> Double {
  var sum = 0.0
  for k in terms.reversed() {
    let odd = 2 * Double(k) + 1
    sum += 1 / (odd * odd)
  }
  return sum
}
