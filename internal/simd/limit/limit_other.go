//go:build !amd64 || purego

package limit

func int8Probe() probe { return probe{} }

func float32Probe() probe { return probe{} }
