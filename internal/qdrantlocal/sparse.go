package qdrantlocal

import (
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/qdrant/go-client/qdrant"
)

// sparseVector is stored with ascending, distinct indices.
type sparseVector struct {
	indices []uint32
	values  []float32
}

// posting lists the points that have one dimension, by ascending slot.
type posting struct {
	slots   []slot
	weights []float32
}

// sparseSpace holds one named sparse vector of all points: forward for
// reading back, inverted for search.
type sparseSpace struct {
	modifier qdrant.Modifier
	forward  []sparseVector // by slot
	present  bitset         // includes empty vectors
	inverted map[uint32]*posting
	indexed  int       // number of non-empty vectors: N of the IDF
	fullScan int       // below this many candidates a filtered search scores one by one
	stale    int       // non-empty vectors of points deleted since the store was opened
	sums     sync.Pool // of *sparseSums
}

// defaultFullScan is the server's full_scan_threshold of sparse indexes.
const defaultFullScan = 5000

// configure takes over the parameters that matter for results.
func (sp *sparseSpace) configure(p *qdrant.SparseVectorParams) {
	sp.modifier = p.GetModifier()
	sp.fullScan = defaultFullScan
	if ix := p.GetIndex(); ix != nil {
		sp.fullScan = int(min(orDefault(ix.FullScanThreshold, defaultFullScan), 1<<31))
	}
}

func (sp *sparseSpace) put(s slot, v sparseVector) {
	sp.remove(s)
	for int(s) >= len(sp.forward) {
		sp.forward = append(sp.forward, sparseVector{})
	}
	sp.forward[s] = v
	sp.present.set(s)
	if len(v.indices) > 0 {
		sp.indexed++
	}
	for i, dim := range v.indices {
		p := sp.inverted[dim]
		if p == nil {
			p = &posting{}
			sp.inverted[dim] = p
		}
		if n := len(p.slots); n == 0 || p.slots[n-1] < s {
			p.slots = append(p.slots, s)
			p.weights = append(p.weights, v.values[i])
			continue
		}
		at, _ := slices.BinarySearch(p.slots, s)
		p.slots = slices.Insert(p.slots, at, s)
		p.weights = slices.Insert(p.weights, at, v.values[i])
	}
}

func (sp *sparseSpace) remove(s slot) {
	if !sp.present.has(s) {
		return
	}
	v := sp.forward[s]
	for _, dim := range v.indices {
		p := sp.inverted[dim]
		if len(p.slots) == 1 {
			delete(sp.inverted, dim)
			continue
		}
		at, _ := slices.BinarySearch(p.slots, s)
		p.slots = slices.Delete(p.slots, at, at+1)
		p.weights = slices.Delete(p.weights, at, at+1)
	}
	if len(v.indices) > 0 {
		sp.indexed--
	}
	sp.forward[s] = sparseVector{}
	sp.present.clear(s)
}

// weigh returns the query as it is scored: multiplied by each dimension's
// inverse document frequency over live vectors when the modifier asks for it.
func (sp *sparseSpace) weigh(q sparseVector) sparseVector {
	if sp.modifier != qdrant.Modifier_Idf {
		return q
	}
	w := sparseVector{indices: q.indices, values: make([]float32, len(q.values))}
	for i, dim := range q.indices {
		var df int
		if p := sp.inverted[dim]; p != nil {
			df = len(p.slots)
		}
		w.values[i] = q.values[i] * idf(sp.indexed, df)
	}
	return w
}

// idf is ln((N-df+0.5)/(df+0.5)+1), the server's formula in float32.
func idf(n, df int) float32 {
	return float32(math.Log(float64((float32(n)-float32(df)+0.5)/(float32(df)+0.5) + 1)))
}

// dotSparse returns the inner product over shared dimensions and whether there are any.
func dotSparse(a, b sparseVector) (float32, bool) {
	var sum float32
	shared := false
	for i, j := 0, 0; i < len(a.indices) && j < len(b.indices); {
		switch {
		case a.indices[i] < b.indices[j]:
			i++
		case a.indices[i] > b.indices[j]:
			j++
		default:
			sum += a.values[i] * b.values[j]
			shared = true
			i++
			j++
		}
	}
	return sum, shared
}

// search scores the points of within that share a dimension with a weighed query,
// and calls found for them by ascending slot. Where they are few, the products of
// their vectors are taken; otherwise the postings of the query are added up. Both
// add the same terms in the same order.
func (sp *sparseSpace) search(q sparseVector, within bitset, found func(slot, float32)) {
	postings := 0
	for _, dim := range q.indices {
		if p := sp.inverted[dim]; p != nil {
			postings += len(p.slots)
		}
	}
	if within.count()*productCost < postings {
		within.each(func(s slot) bool {
			if sp.present.has(s) {
				if score, shared := dotSparse(q, sp.forward[s]); shared {
					found(s, score)
				}
			}
			return true
		})
		return
	}
	sums, _ := sp.sums.Get().(*sparseSums)
	if sums == nil {
		sums = &sparseSums{}
	}
	if n := len(sp.forward); len(sums.scores) < n {
		n += n / 4 // more will be stored
		sums.scores, sums.touched = make([]float32, n), make(bitset, (n+63)/64)
	}
	scores, touched := sums.scores, sums.touched
	for i, dim := range q.indices {
		p := sp.inverted[dim]
		if p == nil {
			continue
		}
		w := q.values[i]
		weights := p.weights[:len(p.slots)]
		for k, s := range p.slots {
			scores[s] += w * weights[k]
			touched[s>>6] |= 1 << (s & 63)
		}
	}
	touched.each(func(s slot) bool {
		if within.has(s) {
			found(s, scores[s])
		}
		scores[s] = 0
		return true
	})
	clear(touched)
	sp.sums.Put(sums)
}

// sparseSums is the memory of one search, all zero between two.
type sparseSums struct {
	scores  []float32 // by slot
	touched bitset
}

// productCost is about how many postings are added up in the time that the
// product of two vectors takes, measured on chunks of 512 tokens.
const productCost = 40

// newSparse checks and sorts a sparse vector. One that is sorted keeps the slices
// that it is given.
func newSparse(indices []uint32, values []float32) (sparseVector, error) {
	if len(indices) != len(values) {
		return sparseVector{}, invalid("sparse vector has %d indices and %d values, they must be as many", len(indices), len(values))
	}
	v := sparseVector{indices: indices, values: values}
	if !slices.IsSorted(v.indices) {
		v = sparseVector{indices: slices.Clone(indices), values: slices.Clone(values)}
		sort.Sort(byIndex(v))
	}
	for i := 1; i < len(v.indices); i++ {
		if v.indices[i] == v.indices[i-1] {
			return sparseVector{}, invalid("sparse vector has the index %d twice, indices must be unique", v.indices[i])
		}
	}
	return v, nil
}

type byIndex sparseVector

func (v byIndex) Len() int           { return len(v.indices) }
func (v byIndex) Less(i, j int) bool { return v.indices[i] < v.indices[j] }
func (v byIndex) Swap(i, j int) {
	v.indices[i], v.indices[j] = v.indices[j], v.indices[i]
	v.values[i], v.values[j] = v.values[j], v.values[i]
}
