//! The page's charts, as the contents of SVG elements.
//!
//! The drawing library writes fixed colours. Each is the name of a role: the page's style sheet has a
//! rule for each of [`PALETTE`] that replaces it by the colour of the reader's theme. No text of the
//! guest gets into a chart.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::format::{Count, level};

/// The levels of heat above "nothing".
pub(super) const LEVELS: u8 = 6;

/// A colour of the charts: what is drawn, and the CSS variable that replaces it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colour {
    pub(super) drawn: RGBColor,
    pub(super) variable: &'static str,
}

impl Colour {
    /// As it is in the SVG's attributes.
    pub(super) fn attribute(&self) -> String {
        let RGBColor(red, green, blue) = self.drawn;
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}

const fn colour(drawn: u32, variable: &'static str) -> Colour {
    let [_, red, green, blue] = drawn.to_be_bytes();
    Colour { drawn: RGBColor(red, green, blue), variable }
}

const TEXT: Colour = colour(0x5c_5f66, "muted");
const GRID: Colour = colour(0xe3_e3df, "rule");
const BAR: Colour = colour(0xb0_4a12, "accent");
const HEAT: [Colour; LEVELS as usize + 1] = [
    colour(0xef_efeb, "heat-0"),
    colour(0xfb_e3d1, "heat-1"),
    colour(0xf6_c8a6, "heat-2"),
    colour(0xed_a876, "heat-3"),
    colour(0xde_854a, "heat-4"),
    colour(0xc5_6225, "heat-5"),
    colour(0x9c_400d, "heat-6"),
];

/// Every colour that a chart may have.
pub(super) const PALETTE: [Colour; 10] =
    [TEXT, GRID, BAR, HEAT[0], HEAT[1], HEAT[2], HEAT[3], HEAT[4], HEAT[5], HEAT[6]];

/// A chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What is inside of the SVG element.
    pub body: String,
}

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn chart(width: u32, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Chart {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        draw(&area)
            .and_then(|()| Ok(area.present()?))
            .expect("an area that is not empty can be drawn on, and a string takes it all");
    }
    let body = svg
        .split_once('>')
        .and_then(|(_, rest)| rest.trim_end().strip_suffix("</svg>"))
        .unwrap_or_default();
    Chart { width, height, body: body.trim().to_owned() }
}

/// Bars of miss rates in percent, labelled with the numbers of their cores.
pub(super) fn rates(bars: &[(usize, f64)]) -> Chart {
    let highest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.08 } else { 1.0 };
    let decimals = if top < 0.1 { 3 } else { usize::from(top < 10.0) };
    chart(560, 220, |area| {
        let text = ("sans-serif", 15).into_font().color(&TEXT.drawn);
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(12)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d((0..bars.len().saturating_sub(1)).into_segmented(), 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.drawn)
            .axis_style(GRID.drawn)
            .label_style(text)
            .x_labels(bars.len().min(17))
            .y_labels(5)
            .x_desc("core")
            .x_label_formatter(&|segment| match segment {
                SegmentValue::CenterOf(index) => {
                    bars.get(*index).map_or_else(String::new, |bar| bar.0.to_string())
                }
                SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
            })
            .y_label_formatter(&|rate| format!("{rate:.decimals$}%"))
            .draw()?;
        let gap = if bars.len() > 16 { 2 } else { 6 };
        chart.draw_series(bars.iter().enumerate().map(|(index, bar)| {
            let corners =
                [(SegmentValue::Exact(index), 0.0), (SegmentValue::Exact(index + 1), bar.1)];
            let mut bar = Rectangle::new(corners, BAR.drawn.filled());
            bar.set_margin(0, 0, gap, gap);
            bar
        }))?;
        Ok(())
    })
}

/// A line through `values`, one a run, in their order from 1; a run without a value is passed over. `unit` follows
/// the numbers of the axis.
pub fn line_chart(values: &[Option<f64>], unit: &str) -> Chart {
    let known = || values.iter().flatten().copied();
    // From 0, so that a small change looks small.
    let bottom = known().fold(0.0, f64::min);
    let highest = known().fold(bottom, f64::max);
    let top = if highest > bottom { bottom + (highest - bottom) * 1.08 } else { bottom + 1.0 };
    let last = values.len().max(2);
    let points = || (1..).zip(values).filter_map(|(run, value)| Some((run, (*value)?)));
    chart(760, 220, |area| {
        let text = ("sans-serif", 15).into_font().color(&TEXT.drawn);
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(38)
            .y_label_area_size(84)
            .build_cartesian_2d(1..last, bottom..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.drawn)
            .axis_style(GRID.drawn)
            .label_style(text)
            .x_labels(last.min(17))
            .y_labels(5)
            .x_desc("run")
            .y_label_formatter(&|value| scaled(*value) + unit)
            .draw()?;
        let path: Vec<_> = points().collect();
        chart.draw_series([PathElement::new(path, BAR.drawn.stroke_width(2))])?;
        chart.draw_series(points().map(|point| Circle::new(point, 3, BAR.drawn.filled())))?;
        Ok(())
    })
}

/// A number of an axis, in few digits.
fn scaled(value: f64) -> String {
    for (unit, name) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value.abs() >= unit {
            return format!("{}{name}", (value / unit * 100.0).round() / 100.0);
        }
    }
    format!("{}", (value * 10_000.0).round() / 10_000.0)
}

/// Misses as rows of squares, each the sum of `sets_per_square` neighbouring sets.
pub(super) fn heat_map(squares: &[u64], sets_per_square: usize) -> Chart {
    let wide = squares.len() > 1024;
    let (columns, side, gap) = if wide { (64, 8, 0) } else { (32, 15, 1) };
    let columns = columns.min(squares.len().max(1));
    let rows = squares.len().div_ceil(columns).max(1);
    // Labels that would touch are left out.
    let labelled = if wide { 2 } else { 1 };
    let pixels = |count: usize| i32::try_from(count).unwrap_or(i32::MAX / 64);
    let last_label = Count(u64::try_from(squares.len() * sets_per_square).ok()).to_string();
    let left = 10 + 7 * pixels(last_label.len());
    let most = squares.iter().copied().max().unwrap_or(0);
    let extent = |count: usize| pixels(count).saturating_mul(side).saturating_add(2).unsigned_abs();
    let width = extent(columns) + left.unsigned_abs();
    chart(width, extent(rows), |area| {
        let text = ("sans-serif", 14).into_font().color(&TEXT.drawn);
        let text = text.pos(Pos::new(HPos::Right, VPos::Center));
        for (row, squares) in squares.chunks(columns).enumerate() {
            let top = 1 + pixels(row) * side;
            if row.is_multiple_of(labelled) {
                let first = Count(u64::try_from(row * columns * sets_per_square).ok());
                let place = (left - 8, top + side / 2);
                area.draw(&Text::new(first.to_string(), place, text.clone()))?;
            }
            // Neighbours of one level in one rectangle, where there is no gap between them.
            let mut column = 0;
            while column < squares.len() {
                let heat = level(squares[column], most, LEVELS);
                let same = |&&square: &&u64| gap == 0 && level(square, most, LEVELS) == heat;
                let run = 1 + squares[column + 1..].iter().take_while(same).count();
                let from = left + pixels(column) * side;
                let to = left + pixels(column + run) * side - gap;
                let style = HEAT[usize::from(heat)].drawn.filled();
                area.draw(&Rectangle::new([(from, top), (to, top + side - gap)], style))?;
                column += run;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(chart: &Chart) -> impl Iterator<Item = &str> {
        chart.body.match_indices("=\"#").map(|(at, _)| &chart.body[at + 2..at + 9])
    }

    #[test]
    fn all_colours_are_in_the_palette() {
        let all: Vec<u64> = (0..100).collect();
        let bars: Vec<_> = (0..32_u32).map(|core| (core as usize, f64::from(core))).collect();
        let values: Vec<_> = (0..40).map(|run| Some(f64::from(run))).collect();
        for chart in [heat_map(&all, 1), rates(&bars), line_chart(&values, "")] {
            assert!(colours(&chart).count() > 30);
            for drawn in colours(&chart) {
                assert!(PALETTE.iter().any(|colour| colour.attribute() == drawn), "{drawn}");
            }
        }
    }

    #[test]
    fn each_set_is_a_square_of_its_heat() {
        let chart = heat_map(&[0, 1, 60, 0], 1);
        let heat = |level: usize| format!("fill=\"{}\"", HEAT[level].attribute());
        let count = |level| chart.body.matches(&heat(level)).count();
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(count), [2, 1, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_large_map_names_the_first_set_of_its_rows() {
        let chart = heat_map(&vec![7; 4096], 2);
        assert_eq!(chart.body.matches("<rect").count(), 64);
        assert!(chart.body.contains(">\n256\n<"), "{}", chart.body);
    }

    #[test]
    fn nothing_at_all_can_be_drawn() {
        assert!(!heat_map(&[], 1).body.contains("<rect"));
        assert!(heat_map(&[u64::MAX, 0], 1).body.contains("<rect"));
        rates(&[]);
        rates(&[(0, 0.0)]);
        rates(&[(0, 100.0), (4095, 1e-9)]);
        line_chart(&[], "");
        line_chart(&[None], "%");
        line_chart(&[Some(0.0)], "");
        line_chart(&[Some(-1.0), None, Some(1e19)], "");
    }
}
