package qdrantlocal

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
)

// earthRadius is the mean radius in metres that the server's haversine formula uses.
const earthRadius = 6371008.8

func haversine(a, b *qdrant.GeoPoint) float64 {
	const rad = math.Pi / 180
	s1 := math.Sin((b.GetLat() - a.GetLat()) * rad / 2)
	s2 := math.Sin((b.GetLon() - a.GetLon()) * rad / 2)
	h := s1*s1 + math.Cos(a.GetLat()*rad)*math.Cos(b.GetLat()*rad)*s2*s2
	return 2 * earthRadius * math.Asin(math.Sqrt(h))
}

// geoValue reads {"lon": …, "lat": …}; coordinates out of range are no point.
func geoValue(v *qdrant.Value) (*qdrant.GeoPoint, bool) {
	f := v.GetStructValue().GetFields()
	lon, ok1 := number(f["lon"])
	lat, ok2 := number(f["lat"])
	return &qdrant.GeoPoint{Lon: lon, Lat: lat}, ok1 && ok2 && math.Abs(lon) <= 180 && math.Abs(lat) <= 90
}

func geoTest(f func(*qdrant.GeoPoint) bool) valueTest {
	return func(v *qdrant.Value) bool {
		p, ok := geoValue(v)
		return ok && f(p)
	}
}

// geoPredicate returns the geographic test of a condition, nil if it has none.
func geoPredicate(f *qdrant.FieldCondition) func(*qdrant.GeoPoint) bool {
	switch {
	case f.GetGeoBoundingBox() != nil:
		return func(p *qdrant.GeoPoint) bool { return inBox(f.GeoBoundingBox, p) }
	case f.GetGeoRadius() != nil:
		r := f.GeoRadius
		return func(p *qdrant.GeoPoint) bool { return haversine(r.GetCenter(), p) < float64(r.GetRadius()) }
	case f.GetGeoPolygon() != nil:
		return func(p *qdrant.GeoPoint) bool { return inPolygon(f.GeoPolygon, p) }
	}
	return nil
}

// inBox allows boxes over the antimeridian (left > right).
func inBox(b *qdrant.GeoBoundingBox, p *qdrant.GeoPoint) bool {
	top, bottom := b.GetTopLeft(), b.GetBottomRight()
	inLon := top.GetLon() < p.Lon && p.Lon < bottom.GetLon()
	if top.GetLon() > bottom.GetLon() {
		inLon = p.Lon > top.GetLon() || p.Lon < bottom.GetLon()
	}
	return inLon && bottom.GetLat() < p.Lat && p.Lat < top.GetLat()
}

func inPolygon(g *qdrant.GeoPolygon, p *qdrant.GeoPoint) bool {
	if !inRing(g.GetExterior(), p) {
		return false
	}
	for _, hole := range g.GetInteriors() {
		if inRing(hole, p) {
			return false
		}
	}
	return true
}

// inRing is the even-odd rule; an open ring is closed.
func inRing(r *qdrant.GeoLineString, p *qdrant.GeoPoint) bool {
	in := false
	pts := r.GetPoints()
	for i, j := 0, len(pts)-1; i < len(pts); j, i = i, i+1 {
		a, b := pts[i], pts[j]
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) && p.Lon < (b.Lon-a.Lon)*(p.Lat-a.Lat)/(b.Lat-a.Lat)+a.Lon {
			in = !in
		}
	}
	return in
}
