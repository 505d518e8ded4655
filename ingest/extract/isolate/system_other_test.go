//go:build !linux

package isolate

func residentPeak(int) int { return 0 }

func world() string { return "" }
