package qdrantlocal

import (
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// collection is one collection in memory. Its lock guards everything below it;
// it is never held while waiting for a disk.
type collection struct {
	name string // physical, never an alias

	mu      sync.RWMutex
	dropped bool
	config  *qdrant.CollectionConfig // replaced, never changed in place
	yellow  bool                     // parameters of (non-existing) segments changed since the last write
	ops     uint64                   // number of updates so far

	ids      map[pointID]slot
	points   []pointID                        // by slot, like the following
	shown    []atomic.Pointer[qdrant.PointId] // points as answers have them, made when a search first finds them
	payloads []payload
	versions []uint64 // value of ops at the last change
	sizes    []uint32 // encoded size, an estimate
	live     bitset
	free     []slot
	liveSize atomic.Int64 // sum of sizes

	dense   map[string]*denseSpace // the sets of names are fixed at creation
	multi   map[string]*multiSpace
	sparse  map[string]*sparseSpace
	indexes map[string]*fieldIndex // by canonical path

	samples atomic.Uint64 // number of random samples drawn, the seed of the next

	sorted atomic.Pointer[[]slot] // live slots by id; nil after an insert or delete
}

// newCollection makes an empty collection from a complete configuration.
func newCollection(name string, cfg *qdrant.CollectionConfig) *collection {
	c := &collection{
		name: name, config: cfg,
		ids: map[pointID]slot{}, indexes: map[string]*fieldIndex{},
		dense: map[string]*denseSpace{}, multi: map[string]*multiSpace{}, sparse: map[string]*sparseSpace{},
	}
	for name, p := range denseParams(cfg.GetParams().GetVectorsConfig()) {
		d := denseSpace{dim: int(p.GetSize()), distance: p.GetDistance(), datatype: p.GetDatatype()}
		if p.GetMultivectorConfig() != nil {
			c.multi[name] = &multiSpace{row: d}
		} else {
			d.coarse = newCoarse(d.dim)
			c.dense[name] = &d
		}
	}
	for name, p := range cfg.GetParams().GetSparseVectorsConfig().GetMap() {
		sp := &sparseSpace{inverted: map[uint32]*posting{}}
		sp.configure(p)
		c.sparse[name] = sp
	}
	return c
}

// denseParams returns the dense vectors of a configuration by name; the unnamed one is "".
func denseParams(v *qdrant.VectorsConfig) map[string]*qdrant.VectorParams {
	switch o := v.GetConfig().(type) {
	case *qdrant.VectorsConfig_Params:
		return map[string]*qdrant.VectorParams{"": o.Params}
	case *qdrant.VectorsConfig_ParamsMap:
		return o.ParamsMap.GetMap()
	}
	return nil
}

// vector is a stored or queried vector: exactly one field is set.
type vector struct {
	dense  []float32
	multi  [][]float32
	sparse *sparseVector
}

// clone copies what may be overwritten in place: only dense vectors are.
func (v vector) clone() vector {
	v.dense = slices.Clone(v.dense)
	return v
}

// present returns the points that have the named vector.
func (c *collection) present(name string) bitset {
	if d, ok := c.dense[name]; ok {
		return d.present
	}
	if m, ok := c.multi[name]; ok {
		return m.present
	}
	if sp, ok := c.sparse[name]; ok {
		return sp.present
	}
	return nil
}

// vectorNames returns all vector names in order.
func (c *collection) vectorNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(c.dense)), slices.Collect(maps.Keys(c.multi)), slices.Collect(maps.Keys(c.sparse)))
	slices.Sort(names)
	return names
}

func (c *collection) hasVectorName(name string) bool {
	return c.dense[name] != nil || c.multi[name] != nil || c.sparse[name] != nil
}

// id returns the id of a point as the answer to a search has it, which is kept for
// the next one: points that are found once are found again. Nobody may change it.
func (c *collection) id(s slot) *qdrant.PointId {
	p := c.shown[s].Load()
	if p == nil {
		p = c.points[s].proto()
		c.shown[s].Store(p)
	}
	return p
}

// insert returns the slot of id, giving it one if it is new.
func (c *collection) insert(id pointID) (s slot, isNew bool) {
	if s, ok := c.ids[id]; ok {
		return s, false
	}
	if n := len(c.free); n > 0 {
		s, c.free = c.free[n-1], c.free[:n-1]
		c.points[s] = id
		c.shown[s].Store(nil)
	} else {
		s = slot(len(c.points))
		c.points = append(c.points, id)
		c.shown = append(c.shown, atomic.Pointer[qdrant.PointId]{})
		c.payloads = append(c.payloads, nil)
		c.versions = append(c.versions, 0)
		c.sizes = append(c.sizes, 0)
	}
	c.ids[id] = s
	c.live.set(s)
	c.sorted.Store(nil)
	return s, true
}

func (c *collection) delete(id pointID) {
	s, ok := c.ids[id]
	if !ok {
		return
	}
	c.setPayload(s, nil)
	for _, sp := range c.sparse {
		if sp.present.has(s) && len(sp.forward[s].indices) > 0 {
			sp.stale++
		}
	}
	c.removeVectors(s)
	c.resize(s, 0)
	delete(c.ids, id)
	c.live.clear(s)
	c.free = append(c.free, s)
	c.sorted.Store(nil)
}

// setPayload replaces a point's payload and keeps the indexes in step.
func (c *collection) setPayload(s slot, pl payload) {
	for _, ix := range c.indexes {
		ix.remove(s, c.payloads[s])
		ix.add(s, pl)
	}
	c.payloads[s] = pl
}

func (c *collection) resize(s slot, n int) {
	c.liveSize.Add(int64(n) - int64(c.sizes[s]))
	c.sizes[s] = uint32(n)
}

func (c *collection) setVector(s slot, name string, v vector) {
	switch {
	case v.sparse != nil:
		c.sparse[name].put(s, *v.sparse)
	case v.multi != nil:
		c.multi[name].put(s, v.multi)
	default:
		c.dense[name].put(s, v.dense)
	}
}

func (c *collection) removeVector(s slot, name string) {
	if d, ok := c.dense[name]; ok {
		d.remove(s)
	} else if m, ok := c.multi[name]; ok {
		m.remove(s)
	} else if sp, ok := c.sparse[name]; ok {
		sp.remove(s)
	}
}

// removeVectors removes all vectors of a point.
func (c *collection) removeVectors(s slot) {
	for _, d := range c.dense {
		d.remove(s)
	}
	for _, m := range c.multi {
		m.remove(s)
	}
	for _, sp := range c.sparse {
		sp.remove(s)
	}
}

// vector returns a point's named vector; it aliases stored data.
func (c *collection) vector(s slot, name string) (vector, bool) {
	if d, ok := c.dense[name]; ok && d.present.has(s) {
		return vector{dense: d.at(s)}, true
	}
	if m, ok := c.multi[name]; ok && m.present.has(s) {
		return vector{multi: m.rows[s]}, true
	}
	if sp, ok := c.sparse[name]; ok && sp.present.has(s) {
		return vector{sparse: &sp.forward[s]}, true
	}
	return vector{}, false
}

// vectorOf returns the named vector of a point; it aliases stored data.
func (c *collection) vectorOf(p *qdrant.PointId, name string) (vector, error) {
	id, err := parseID(p)
	if err != nil {
		return vector{}, err
	}
	if !c.hasVectorName(name) {
		return vector{}, c.noVectorName(name)
	}
	s, ok := c.ids[id]
	if !ok {
		return vector{}, noPoint(id)
	}
	v, ok := c.vector(s, name)
	if !ok {
		return vector{}, status.Errorf(codes.NotFound, "Not found: Vector with name %q for point not found", name)
	}
	return v, nil
}

// inOrder returns the live slots by ascending id. The result is shared.
func (c *collection) inOrder() []slot {
	if p := c.sorted.Load(); p != nil {
		return *p
	}
	slots := make([]slot, 0, len(c.ids))
	c.live.each(func(s slot) bool {
		slots = append(slots, s)
		return true
	})
	c.sortByID(slots)
	c.sorted.Store(&slots)
	return slots
}

func (c *collection) sortByID(slots []slot) {
	sort.Slice(slots, func(i, j int) bool { return c.points[slots[i]].compare(c.points[slots[j]]) < 0 })
}

// inOrderOf returns the slots of set, a subset of the live ones, by ascending id.
func (c *collection) inOrderOf(set bitset) []slot { return c.page(set, pointID{}, len(c.points)) }

// page returns up to n slots of set, a subset of the live ones, by ascending
// id, beginning with the id from.
func (c *collection) page(set bitset, from pointID, n int) []slot {
	var order []slot
	if count := set.count(); count*16 < len(c.ids) { // sorting few is cheaper than walking all
		order = make([]slot, 0, count)
		set.each(func(s slot) bool {
			order = append(order, s)
			return true
		})
		c.sortByID(order)
	} else {
		order = c.inOrder()
	}
	at := sort.Search(len(order), func(i int) bool { return c.points[order[i]].compare(from) >= 0 })
	var out []slot
	for _, s := range order[at:] {
		if len(out) == n {
			break
		}
		if set.has(s) {
			out = append(out, s)
		}
	}
	return out
}

// buildIndex fills a new index from the existing points; it replaces one of another kind.
func (c *collection) buildIndex(ix *fieldIndex) {
	c.live.each(func(s slot) bool {
		ix.add(s, c.payloads[s])
		return true
	})
	c.indexes[ix.path.String()] = ix
}
