//! Shapes on a map in the text form PostGIS reads: a point, and lines and areas around it. Must give valid shapes only.

use std::fmt::Write as _;

/// What a shape is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One place.
    Point,
    /// A way past it.
    Line,
    /// A ring of four corners around it.
    Area,
}

/// A shape by the name PostGIS has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// As written: `MULTIPOLYGON Z`.
    name: String,
    form: Form,
    /// One of several, in parentheses of its own.
    multiple: bool,
    /// A collection names its parts.
    collection: bool,
    /// Coordinates beside x and y.
    more: usize,
}

impl Shape {
    /// Reads `Point`, `MultiPolygonZ`, `GeometryCollection`; `None` for shapes that are not made here.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let upper = text.trim().to_uppercase();
        let bare = upper.trim_end_matches(['Z', 'M', ' ']);
        let suffix = upper[bare.len()..].trim().to_owned();
        let (bare, collection) = match bare {
            // What a column of any shape holds most.
            "GEOMETRY" | "GEOGRAPHY" => ("POINT", false),
            "GEOMETRYCOLLECTION" => ("POINT", true),
            other => (other, false),
        };
        let (inner, multiple) = bare.strip_prefix("MULTI").map_or((bare, false), |inner| (inner, true));
        let form = match inner {
            "POINT" => Form::Point,
            "LINESTRING" => Form::Line,
            "POLYGON" => Form::Area,
            _ => return None,
        };
        let name = if suffix.is_empty() { bare.to_owned() } else { format!("{bare} {suffix}") };
        Some(Self { name, form, multiple, collection, more: suffix.len() })
    }

    /// The shape around a place, so far to each side.
    pub(super) fn write(&self, x: f64, y: f64, size: f64, out: &mut Vec<u8>) {
        let mut text = String::new();
        let corners: &[(f64, f64)] = match self.form {
            Form::Point => &[(0.0, 0.0)],
            Form::Line => &[(-1.0, -0.5), (0.0, 0.5), (1.0, 0.0)],
            Form::Area => &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)],
        };
        let places: Vec<String> = corners
            .iter()
            .map(|(dx, dy)| format!("{:.6} {:.6}{}", x + dx * size, y + dy * size, " 0".repeat(self.more)))
            .collect();
        let ring = places.join(",");
        let (open, close) = match (self.form, self.multiple) {
            (Form::Area, true) => ("(((", ")))"),
            (Form::Area, false) | (Form::Line, true) => ("((", "))"),
            _ => ("(", ")"),
        };
        // Writing to a string does not fail.
        let _ = write!(text, "{}{open}{ring}{close}", self.name);
        if self.collection {
            let suffix = self.name.split_once(' ').map_or(String::new(), |(_, suffix)| format!(" {suffix}"));
            text = format!("GEOMETRYCOLLECTION{suffix}({text})");
        }
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_closed_and_have_the_coordinates_asked_for() {
        let text = |name: &str| {
            let mut out = Vec::new();
            Shape::read(name).unwrap().write(13.4, 52.5, 0.5, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("Point"), "POINT(13.400000 52.500000)");
        assert_eq!(text("PointZ"), "POINT Z(13.400000 52.500000 0)");
        assert!(text("MultiPolygon").starts_with("MULTIPOLYGON(((12.900000 52.000000,"));
        assert!(text("MultiPolygon").ends_with("12.900000 52.000000)))"));
        assert_eq!(text("LineStringZM").matches(" 0 0").count(), 3);
        assert_eq!(text("GeometryCollection"), "GEOMETRYCOLLECTION(POINT(13.400000 52.500000))");
        assert!(Shape::read("CurvePolygon").is_none());
    }
}
