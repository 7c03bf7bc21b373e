//! The file of a report's figures: JSON whose lists have a line for each element, so that a diff shows the cases that changed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::report::Report;

/// Lines for the elements of lists, and for the keys of the two outer objects.
#[derive(Default)]
struct Lines {
    depth: usize,
}

impl Lines {
    fn open<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(bracket)
    }

    fn close<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(bracket)
    }

    fn separate<W: Write + ?Sized>(&self, writer: &mut W, first: bool, line: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b"," })?;
        writer.write_all(match (line, first) {
            (true, _) => b"\n",
            (false, true) => b"",
            (false, false) => b" ",
        })
    }
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first, true)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first, self.depth <= 2)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn read_file(file: &Path) -> io::Result<Report> {
    let report = serde_json::from_slice(&fs::read(file)?);
    report.map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
}

/// The figures in a file, or the newest of a folder.
pub(crate) fn read(path: &Path) -> io::Result<Report> {
    if !path.is_dir() {
        return read_file(path);
    }
    let files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    let results = files.iter().filter(|file| file.extension().is_some_and(|end| end == "json"));
    let reports = results.map(|file| read_file(file)).collect::<io::Result<Vec<_>>>()?;
    let newest = reports.into_iter().max_by(|a, b| a.machine.date.cmp(&b.machine.date));
    newest.ok_or_else(|| io::Error::other(format!("{}: no results", path.display())))
}

/// Writes to a file, or in a folder to the one with the machine's name.
pub(crate) fn write(report: &Report, path: &Path) -> io::Result<()> {
    let file = &if path.is_dir() { path.join(report.machine.file()) } else { path.to_owned() };
    let mut text = Vec::new();
    report.serialize(&mut Serializer::with_formatter(&mut text, Lines::default()))?;
    text.push(b'\n');
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}
