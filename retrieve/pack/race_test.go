//go:build race

package pack

// raced: the race detector watches, which makes all of it some ten times slower
// and has nothing to find in a pure package.
const raced = true
