//go:build !failpoint

package failpoint

// Enabled reports whether this program was built with failpoints.
const Enabled = false

// Hit does nothing in a build without the tag "failpoint".
func Hit(Point) {}
