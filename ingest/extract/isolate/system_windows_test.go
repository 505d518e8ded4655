package isolate

import "os"

// peakBytes: not known here.
func peakBytes(*os.ProcessState) int { return 0 }
