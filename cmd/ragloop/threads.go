package main

import (
	"runtime"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// threadsPerCore is how many threads may run Go code for each core while a
// service is at work. Go has no priorities: with as many threads as cores, all of
// them in searches, whatever is to be done at once beside them, such as to read a
// request, to refuse one or to send an answer, waits in a queue behind them at
// every step, and is not even noticed for up to 10 ms. With threads to spare
// the operating system shares the cores, and lets those that run shortly run soon.
// What computes is bounded by the number of cores where it is: searches by their
// admission, texts by the model that embeds them.
const threadsPerCore = 4

// withThreads calls serve with so many threads, and with garbage collected less
// often.
func withThreads(serve func() error) error {
	cores := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(threadsPerCore * cores)
	defer runtime.GOMAXPROCS(cores)
	defer collectSeldom(memlimit.FromCgroup)()
	return serve()
}
