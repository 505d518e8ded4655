//go:build !failpoint

package qdrantlocal

// checkpointSlack is the number of log bytes that are tolerated beyond twice the live data.
const checkpointSlack = 16 << 20
