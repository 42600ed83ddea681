//! Geometries by sets and ways.

use cachesim::geometry::CacheGeometry;

/// The geometry of a cache with so many sets and ways, and lines of `line_bytes`.
pub fn geometry(sets: u64, ways: u32, line_bytes: u64) -> CacheGeometry {
    CacheGeometry::new(sets * u64::from(ways) * line_bytes, line_bytes, ways)
        .expect("a valid geometry")
}
