package extract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// BenchmarkFormats measures each format on a document of some 5,000 paragraphs
// and rows, in MB of text per second.
func BenchmarkFormats(b *testing.B) {
	c := content{heading: "The heading"}
	for i := range 2000 {
		c.paragraphs = append(c.paragraphs, fmt.Sprintf("Paragraph %d says that the ferry crosses the sound every hour, in summer and in winter, unless the wind is above %d m/s.", i, i%30))
	}
	for i := range 1000 {
		c.items = append(c.items, fmt.Sprintf("Item %d of the list, which is shorter", i))
	}
	c.rows = [][]string{{"Ferry", "Port", "Remark"}}
	for i := range 2000 {
		c.rows = append(c.rows, []string{fmt.Sprintf("Pelikan %d", i), "North Quay", fmt.Sprintf("departs at %02d:10", i%24)})
	}
	for _, name := range slices.Sorted(maps.Keys(builders)) {
		in := Input{Name: name, Data: builders[name](b, c)}
		b.Run(strings.TrimPrefix(name, "x."), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc, err := Extract(b.Context(), in)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(doc.Text)))
			}
		})
	}
}
