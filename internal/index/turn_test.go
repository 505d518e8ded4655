package index

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ragloop/ragloop/internal/text"
)

// TestTurn: writers of different documents do not wait for each other, those of
// the same ones do, and one that wants all of a collection waits for everybody
// and is not overtaken.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{}
		have := make(map[string]bool)
		free := make(map[string]func())
		take := func(name, collection string, docs ...text.DocID) {
			go func() {
				done, err := c.turn(t.Context(), collection, docs...)
				if err != nil {
					t.Error(err)
					return
				}
				have[name], free[name] = true, done
			}()
			synctest.Wait()
		}
		give := func(name string) {
			delete(have, name)
			free[name]()
			synctest.Wait()
		}
		want := func(when string, names ...string) {
			t.Helper()
			ok := len(have) == len(names)
			for _, n := range names {
				ok = ok && have[n]
			}
			if !ok {
				t.Fatalf("%s: at work are %v, want %v", when, have, names)
			}
		}
		take("1", "a", "x", "y")
		take("2", "a", "z")
		take("3", "b", "x")
		take("4", "a", "y", "w")
		want("different documents", "1", "2", "3")
		take("all", "a")
		take("5", "a", "w")
		want("behind one that wants all", "1", "2", "3")
		give("1")
		want("after one of two", "2", "3")
		give("2")
		want("all", "3", "all")
		give("all")
		if len(have) != 2 || !have["3"] || have["4"] == have["5"] {
			t.Fatalf("after all: at work are %v, want 3 and one of 4 and 5", have)
		}
		give(map[bool]string{true: "4", false: "5"}[have["4"]])
		if len(have) != 2 {
			t.Fatalf("at the end: at work are %v, want two", have)
		}
	})
}

// TestTurnGivenUp: whoever waited behind one that gave up goes on.
func TestTurnGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{}
		done, err := c.turn(t.Context(), "a", "x")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := c.turn(ctx, "a")
			gone <- err
		}()
		synctest.Wait()
		behind := make(chan error, 1)
		go func() {
			_, err := c.turn(t.Context(), "a", "y")
			behind <- err
		}()
		synctest.Wait()
		select {
		case err := <-behind:
			t.Fatalf("overtook one that wants all: %v", err)
		default:
		}
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("turn = %v, want %v", err, context.Canceled)
		}
		if err := <-behind; err != nil {
			t.Error(err)
		}
		done()
	})
}
