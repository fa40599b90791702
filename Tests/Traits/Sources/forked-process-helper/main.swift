func say(_ fact: String) { print(fact) }

try codecClaims()
