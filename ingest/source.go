package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/ragloop/ragloop/internal/text"
)

// Documents yields items in the given order.
func Documents(items []Item) Source { return documents(items) }

type documents []Item

func (d documents) Items(context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, item := range d {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Text returns an item that holds s, plain text that is taken verbatim.
func Text(id text.DocID, title, s string) Item {
	return Item{ID: id, Title: title, MediaType: "text/plain; charset=utf-8", Open: Bytes([]byte(s))}
}

// Bytes returns an Item.Open of data, which must not change afterwards.
func Bytes(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// Concat yields the documents of all sources, one source after the other, to
// the first error that ends a run.
func Concat(sources ...Source) Source { return concat(slices.Clone(sources)) }

type concat []Source

func (c concat) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, s := range c {
			for item, err := range s.Items(ctx) {
				if !yield(item, err) {
					return
				}
				if part := (*Unlisted)(nil); err != nil && item.ID == "" && !errors.As(err, &part) {
					return
				}
			}
		}
	}
}
