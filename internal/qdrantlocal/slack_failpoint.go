//go:build failpoint

package qdrantlocal

// checkpointSlack is so small here that little data is enough for a test to come
// to every step of many checkpoints.
const checkpointSlack = 64 << 10
