"""Files of the demo: CSV or Parquet tables, settings, truth; all or nothing inside the folder."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import yaml

from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.schema import TABLES

Format = Literal["csv", "parquet"]
BUILDING = ".building"
TRUTH = "truth.json"
OUTPUTS = (
    "crm.yml", TRUTH, "truth.parquet", "faults.parquet", "frozen",
    *(f"{table}{suffix}" for table in TABLES for suffix in (".csv", ".parquet", "")),
)  # fmt: skip

#: Headings of the files where they are not the canonical names (the settings map them back).
HEADINGS = {
    "contracts": {
        "contract_id": "合同编号", "customer_id": "客户编号", "start_date": "开始日", "end_date": "到期日",
        "amount": "合同金额", "renewal_of": "续约原合同",
    },
}  # fmt: skip

#: Values of the files where they are not the canonical values.
VALUES = {
    "customers": {
        "kind": dict(zip(words.KINDS, ("person", "organisation"), strict=True)),
        "gender": dict(zip(words.GENDERS, ("female", "male"), strict=True)),
        "company_size": dict(zip(words.COMPANY_SIZES_ZH, words.COMPANY_SIZES, strict=True)),
        "member_level": dict(zip(words.MEMBER_LEVELS, words.MEMBER_LEVEL_SLUGS, strict=True)),
    },
}

#: Values of the files, and how they read in English: Chinese stands in the files, the settings bring both.
NAMES_EN = {
    "region": dict(zip(words.REGIONS, words.REGIONS_EN, strict=True)),
    "store": {
        f"{region}{suffix}": f"{region_en}, {suffix_en}"
        for region, region_en in zip(words.REGIONS, words.REGIONS_EN, strict=True)
        for suffix, suffix_en in zip(words.STORE_SUFFIXES, words.STORE_SUFFIXES_EN, strict=True)
    },
    "industry": dict(zip(words.INDUSTRIES, words.INDUSTRIES_EN, strict=True)),
    "department": dict(zip(words.DEPARTMENTS, words.DEPARTMENTS_EN, strict=True)),
    "category": dict(zip(words.CATEGORIES, words.CATEGORIES_EN, strict=True)),
}


class DemoFolder:
    """The folder of a demo while it is being built: everything goes to a hidden folder inside and is moved at the end.

    Raises
    ------
    SettingsError
        The folder holds files that no demo wrote.
    """

    def __init__(self, folder: Path, *, format_: Format, blocks: int) -> None:
        self.folder, self.format, self.blocks = folder, format_, blocks
        self.rows: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}
        if folder.exists() and not folder.is_dir():
            raise SettingsError(Problem("it is a file, not a folder", str(folder), "name a new folder"))
        if folder.is_dir() and any(folder.iterdir()) and not any((folder / n).exists() for n in (TRUTH, BUILDING)):
            fix = "name a new or empty folder, or one that a demo was written to before"
            raise SettingsError(Problem("the folder holds files that are no demo", str(folder), fix))
        self._building = folder / BUILDING
        shutil.rmtree(self._building, ignore_errors=True)
        self._building.mkdir(parents=True)

    def write(self, name: str, table: pa.Table, *, block: int = 0) -> None:
        """Write a table, or its part of one block."""
        self.rows[name] = self.rows.get(name, 0) + len(table)
        path = self._building / f"{name}.{self.format}"
        if self.blocks > 1:
            path = self._building / name / f"part-{block:04d}.{self.format}"
            path.parent.mkdir(exist_ok=True)
        renamed = table.rename_columns([HEADINGS.get(name, {}).get(c, c) for c in table.column_names])
        if self.format == "parquet":
            pq.write_table(renamed, path, compression="zstd")
        else:
            _write_csv(renamed, path)

    def append(self, file_name: str, table: pa.Table) -> None:
        """Add rows to a single Parquet file, whatever the format of the tables."""
        if file_name not in self._writers:
            self._writers[file_name] = pq.ParquetWriter(self._building / file_name, table.schema, compression="zstd")
        self._writers[file_name].write_table(table)

    def finish(self, *, truth: dict[str, Any], until: date) -> None:
        """Write settings and truth, and put the new files in the place of those of an earlier demo."""
        self.close()
        settings = yaml.safe_dump(self.settings(until), allow_unicode=True, sort_keys=False, width=120)
        (self._building / "crm.yml").write_text(settings, encoding="utf-8")
        text = json.dumps(truth, ensure_ascii=False, indent=1)
        (self._building / TRUTH).write_text(text + "\n", encoding="utf-8")
        for name in OUTPUTS:
            if name != TRUTH:
                _remove(self.folder / name)
        made = sorted(self._building.iterdir(), key=lambda path: path.name == TRUTH)
        for path in made:
            path.replace(self.folder / path.name)
        self._building.rmdir()

    def close(self) -> None:
        """Close open files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def settings(self, until: date) -> dict[str, Any]:
        """Return the settings file of the demo."""
        tables: dict[str, Any] = {}
        for name in self.rows:
            path = f"{name}.{self.format}" if self.blocks == 1 else f"{name}/part-*.{self.format}"
            tables[name] = {"path": path}
            if name in HEADINGS:
                tables[name]["columns"] = dict(HEADINGS[name])
            if name in VALUES:
                tables[name]["values"] = {field: dict(values) for field, values in VALUES[name].items()}
        return {
            "company": {"zh": "示例商贸（演示数据）", "en": "Sample Trading (demo data)"},
            "preset": "retail",
            "names": {
                f"{field}.{value}": {"zh": value, "en": name}
                for field, named in NAMES_EN.items()
                for value, name in named.items()
            },
            "data": {"exported_on": until, "tables": tables},
        }


def _write_csv(table: pa.Table, path: Path) -> None:
    """Write UTF-8 with quotes only in tables that need them."""
    options = pyarrow.csv.WriteOptions(quoting_style="none", quoting_header="none", batch_size=16_384)
    try:
        pyarrow.csv.write_csv(table, path, options)
    except pa.ArrowInvalid:  # a value with a comma, quote or line end
        pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(quoting_header="none", batch_size=16_384))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
