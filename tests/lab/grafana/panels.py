"""What the panels of the dashboard have in common: the data source, the grid, colours, kinds of panels."""

import dataclasses
import typing

from grafana_foundation_sdk.builders import bargauge, common as made, dashboard as make, prometheus, stat, statetimeline
from grafana_foundation_sdk.builders import table as tables, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
GRID = 24
HERE = "/d/milvus-backup-agent?${datasource:queryparam}&${__url_time_range}"


@dataclasses.dataclass
class Placed:
    """A panel and the room that it takes."""

    panel: typing.Any
    width: int
    height: int


def steps(*pairs):
    """Colours by value, from the lowest on; the first has no bound."""
    found = [dashboard.Threshold(value=value, color=color) for value, color in pairs]
    return make.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


OUTCOMES = (
    ("complete", "green"),
    ("skipped", "blue"),
    ("cancelled", "purple"),
    ("partial", "orange"),
    ("failed", "red"),
)
FROM_NOW = "dateTimeFromNow"
PLAIN = ((None, "text"),)
FINE = ((None, "green"),)
NONE_WANTED = ((None, "green"), (1, "red"))
OF_LIMIT = ((None, "green"), (0.8, "yellow"), (1, "red"))


def texts(*rows):
    """Values by their words: (value, text, colour). A value of None is a field without one."""
    found, options = [], {}
    for index, (value, text, color) in enumerate(rows):
        result = dashboard.ValueMappingResult(text=text, color=color, index=index)
        if value is None:
            for match in (dashboard.SpecialValueMatch.NULL_AND_NAN, dashboard.SpecialValueMatch.EMPTY):
                special = dashboard.DashboardSpecialValueMapOptions(match=match, result=result)
                found.append(dashboard.SpecialValueMap(options=special))
        else:
            options[str(value)] = result
    return ([dashboard.ValueMap(options=options)] if options else []) + found


def query(expr, legend="", ref="A"):
    """A query over the time shown."""
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).legend_format(legend or "__auto").ref_id(ref).range()


def now(expr, legend="", ref="A"):
    """A query of the last moment shown."""
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).legend_format(legend or "__auto").ref_id(ref).instant()


def begin(panel, title, description, unit, none):
    return panel.title(title).description(description).datasource(SOURCE).unit(unit).no_value(none)


def letters(queries, how):
    return [how(expr, legend, chr(ord("A") + place)) for place, (expr, legend) in enumerate(queries)]


def last():
    return made.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def tile(title, expr, description, none, thresholds=NONE_WANTED, unit="short", width=3, height=4):
    """One number, on a ground of its colour."""
    panel = begin(stat.Panel(), title, description, unit, none).with_target(now(expr))
    panel.thresholds(steps(*thresholds)).color_mode(common.BigValueColorMode.BACKGROUND)
    panel.graph_mode(common.BigValueGraphMode.NONE).reduce_options(last())
    panel.text_mode(common.BigValueTextMode.VALUE)
    return Placed(panel, width, height)


def lines(
    title,
    description,
    unit,
    queries,
    none,
    width,
    *,
    height=8,
    thresholds=FINE,
    stacked=False,
    bars=False,
    colors=(),
    least=0,
    calcs=("lastNotNull", "max"),
):
    """Lines, areas on top of each other, or bars, over the time shown."""
    panel = begin(timeseries.Panel(), title, description, unit, none).targets(letters(queries, query))
    panel.thresholds(steps(*thresholds)).line_width(1 if stacked or bars else 2)
    panel.fill_opacity(80 if bars else 30 if stacked else 5).show_points(common.VisibilityMode.NEVER)
    if least is not None:
        panel.min(least)
    if len(thresholds) > 1:
        panel.thresholds_style(made.GraphThresholdsStyleConfig().mode("dashed"))
    if bars:
        panel.draw_style(common.GraphDrawStyle.BARS)
    if stacked or bars:
        panel.stacking(made.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    for name, color in colors:
        value = {"mode": "fixed", "fixedColor": color}
        panel.override_by_name(name, [dashboard.DynamicConfigValue("color", value)])
    legend = made.VizLegendOptions().display_mode(common.LegendDisplayMode.TABLE).show_legend(True)
    panel.legend(legend.placement(common.LegendPlacement.BOTTOM).calcs(list(calcs)))
    order = made.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    return Placed(panel.tooltip(order), width, height)


def states(title, description, queries, mappings, none, width, *, height=8):
    """What something was, over the time shown: a band for each."""
    panel = begin(statetimeline.Panel(), title, description, "short", none).targets(letters(queries, query))
    panel.mappings(mappings).thresholds(steps(*PLAIN)).merge_values(True).fill_opacity(80).line_width(0)
    panel.show_value(common.VisibilityMode.AUTO).row_height(0.85)
    legend = made.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(True)
    return Placed(panel.legend(legend.placement(common.LegendPlacement.BOTTOM).calcs([])), width, height)


def ranks(title, description, unit, queries, none, width, *, height=8, thresholds=FINE):
    """Bars of the last moment, side by side."""
    panel = begin(bargauge.Panel(), title, description, unit, none).targets(letters(queries, now))
    panel.thresholds(steps(*thresholds)).orientation(common.VizOrientation.HORIZONTAL).reduce_options(last())
    panel.display_mode(common.BarGaugeDisplayMode.BASIC).value_mode(common.BarGaugeValueMode.COLOR).min(0)
    return Placed(panel, width, height)


@dataclasses.dataclass
class Column:
    """A column of a table: what it is called, where it comes from, and how it looks.

    Its values are those of `expr`, or where `label` is set, of that label.
    """

    name: str
    expr: str = ""
    label: str = ""
    unit: str = "short"
    none: str = "–"
    mappings: list = dataclasses.field(default_factory=list)
    thresholds: tuple = ()
    width: int = 0
    link: str = ""


def cells(column):
    """How the cells of a column look."""
    look = [("unit", column.unit), ("noValue", column.none)]
    if column.mappings:
        look.append(("mappings", column.mappings))
    if column.thresholds or column.mappings:
        bounds = [{"value": value, "color": color} for value, color in column.thresholds or PLAIN]
        look += [("thresholds", {"mode": "absolute", "steps": bounds}), ("color", {"mode": "thresholds"})]
        look.append(("custom.cellOptions", {"type": "color-text"}))
    if column.width:
        look.append(("custom.width", column.width))
    if column.label:
        look.append(("custom.filterable", True))
    if column.link:
        look.append(("links", [{"title": "Only this", "url": column.link}]))
    return [dashboard.DynamicConfigValue(name, value) for name, value in look]


def table(title, description, columns, none, width, *, height=8, worst=""):
    """A row for each instance and policy, or whatever the queries have in common; the worst first."""
    panel = begin(tables.Panel(), title, description, "short", none).thresholds(steps(*FINE))
    names, order, hidden = {}, {}, {"Time": True}
    letter = ord("A")
    for place, column in enumerate(columns):
        field = column.label
        if column.expr:
            ref = chr(letter)
            letter += 1
            panel.with_target(now(column.expr, ref=ref).format(PromQueryFormat.TABLE))
            if column.label:
                hidden[f"Value #{ref}"] = True
            else:
                field = f"Value #{ref}"
        names[field], order[field] = column.name, place
        panel.override_by_name(column.name, cells(column))
    panel.with_transformation(dashboard.DataTransformerConfig("merge", options={}))
    shown = {"excludeByName": hidden, "indexByName": order, "renameByName": names}
    panel.with_transformation(dashboard.DataTransformerConfig("organize", options=shown))
    if worst:
        panel.sort_by([made.TableSortByFieldState().display_name(worst).desc(True)])
    panel.build().field_config.defaults.custom = common.TableFieldOptions()
    return Placed(panel.show_header(True).cell_height(common.TableCellHeight.SM), width, height)


def place(board, rows):
    """Puts rows of panels on the grid, from left to right and down: (title, collapsed, panels)."""
    top, count = 0, 0

    def position(panels):
        nonlocal top, count
        left, tallest = 0, 0
        for placed in panels:
            if left + placed.width > GRID:
                left, top, tallest = 0, top + tallest, 0
            count += 1
            where = dashboard.GridPos(h=placed.height, w=placed.width, x=left, y=top)
            yield placed.panel.id(count).grid_pos(where).build()
            left, tallest = left + placed.width, max(tallest, placed.height)
        top += tallest

    panels = []
    for title, collapsed, wanted in rows:
        row = None
        if title:
            count += 1
            where = dashboard.GridPos(h=1, w=GRID, x=0, y=top)
            row = dashboard.RowPanel(title=title, collapsed=collapsed, id_val=count, grid_pos=where, panels=[])
            panels.append(row)
            top += 1
        before = top
        found = list(position(wanted))
        if collapsed:
            row.panels, top = found, before
        else:
            panels += found
    board.build().panels = panels
