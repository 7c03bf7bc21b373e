//! A line chart as SVG. A line's name stands at its end, in its colour.

use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 500.0;
/// Where the lines are.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 455.0;
/// Between the end of a line and its name.
const LEADER: f64 = 22.0;
/// From one name to the next one below.
const NAME: f64 = 17.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    Logarithmic,
}

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: &'static str,
    pub(crate) dashed: bool,
    /// A value for each column that it has one for.
    pub(crate) values: Vec<Option<f64>>,
}

pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) axis: &'static str,
    pub(crate) scale: Scale,
    pub(crate) columns: Vec<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) label: fn(f64) -> String,
}

/// The range of values, and where they lie.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

/// 1, 2 and 5 times each power of ten.
fn steps() -> impl DoubleEndedIterator<Item = f64> {
    (-3..12).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)))
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let (least, most) = (values.clone().fold(f64::MAX, f64::min), values.fold(0.0, f64::max));
        match scale {
            Scale::Linear => Self { scale, low: 0.0, high: most * 1.05 },
            Scale::Logarithmic => Self { scale, low: least / 1.1, high: most * 1.1 },
        }
    }

    fn y(&self, value: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => value / self.high,
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        BOTTOM - part * (BOTTOM - TOP)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = steps().find(|step| self.high / step <= 8.0).unwrap_or(self.high);
                (0..=8).map(|i| f64::from(i) * step).filter(|tick| *tick <= self.high).collect()
            }
            Scale::Logarithmic => steps().filter(|tick| (self.low..=self.high).contains(tick)).collect(),
        }
    }
}

impl Chart {
    fn x(&self, column: usize) -> f64 {
        LEFT + 20.0 + (RIGHT - LEFT - 40.0) * column as f64 / (self.columns.len().max(2) - 1) as f64
    }

    fn points(&self, axis: &Axis, line: &Line) -> Vec<(f64, f64)> {
        let values = line.values.iter().enumerate();
        values.filter_map(|(column, value)| Some((self.x(column), axis.y((*value)?)))).collect()
    }

    fn frame(&self, axis: &Axis, svg: &mut String) {
        let _ = writeln!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"
  font-family="sans-serif" font-size="13" fill="#333">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="24" font-size="16" font-weight="bold">{}</text>
<text x="{LEFT}" y="{}" text-anchor="end" fill="#666">{}</text>"##,
            self.title,
            TOP - 10.0,
            self.axis,
        );
        for tick in axis.ticks() {
            let (y, text) = (axis.y(tick), (self.label)(tick));
            let _ = writeln!(
                svg,
                r##"<path d="M{LEFT} {y:.1}H{RIGHT}" stroke="#e4e4e4"/>
<text x="{}" y="{:.1}" text-anchor="end">{text}</text>"##,
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (column, text) in self.columns.iter().enumerate() {
            let (x, y) = (self.x(column), BOTTOM + 22.0);
            let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y}" text-anchor="middle">{text}</text>"#);
        }
        let _ = writeln!(svg, r##"<path d="M{LEFT} {BOTTOM}H{RIGHT}" stroke="#999"/>"##);
    }

    pub(crate) fn svg(&self) -> String {
        let values = self.lines.iter().flat_map(|line| line.values.iter().copied().flatten());
        let axis = Axis::new(self.scale, values);
        let mut svg = String::new();
        self.frame(&axis, &mut svg);
        let mut ends = Vec::new();
        for line in &self.lines {
            let points = self.points(&axis, line);
            let Some(&end) = points.last() else { continue };
            ends.push((end, line));
            let path = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
            let dashes = if line.dashed { r#" stroke-dasharray="6 4""# } else { "" };
            let colour = line.colour;
            let _ =
                writeln!(svg, r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>"#);
            for (x, y) in points {
                let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#);
            }
        }
        names(ends, &mut svg);
        svg + "</svg>\n"
    }
}

/// Each as high as the end of its line, or as near to that as the others let it.
fn names(mut ends: Vec<((f64, f64), &Line)>, svg: &mut String) {
    ends.sort_by(|((_, a), _), ((_, b), _)| a.total_cmp(b));
    let mut places = ends.iter().map(|&((_, y), _)| y).collect::<Vec<_>>();
    let mut lowest = f64::MIN;
    for place in &mut places {
        *place = place.max(lowest);
        lowest = *place + NAME;
    }
    let mut highest = BOTTOM;
    for place in places.iter_mut().rev() {
        *place = place.min(highest);
        highest = *place - NAME;
    }
    for (((x, y), Line { name, colour, .. }), place) in ends.into_iter().zip(places) {
        let _ = writeln!(
            svg,
            r#"<path d="M{:.1} {y:.1}L{:.1} {place:.1}" stroke="{colour}" stroke-width="0.7" fill="none"/>
<text x="{:.1}" y="{:.1}" fill="{colour}">{name}</text>"#,
            x + 5.0,
            RIGHT + LEADER - 4.0,
            RIGHT + LEADER,
            place + 4.0,
        );
    }
}
