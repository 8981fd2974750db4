// What Grafana says that a dashboard is, with the options that each kind of panel has.
import type { AnnotationQuery, Dashboard, FieldConfigSource, GraphFieldConfig, Panel, RowPanel, TableFieldOptions, VariableModel } from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { FieldConfig as HeatmapFields, Options as Heatmap } from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { Options as TimeSeries } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// Plain is T as JSON has it: the values of enumerations stand for their names.
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T : { [K in keyof T]: Plain<T[K]> };

// Source is where everything is asked: Grafana's own type lets a text stand for anything.
interface Source {
  type: "prometheus";
  uid: "${datasource}";
}

// Target is a question to Prometheus, whose type Grafana does not publish any more.
interface Target {
  refId: string;
  datasource: Source;
  editorMode: "code";
  expr: string;
  legendFormat: string;
  range: boolean;
  instant?: true;
  exemplar?: true;
  format?: "table" | "heatmap";
}

type Of<Kind extends string, Options, Fields = object> = Omit<Panel, "type" | "options" | "targets" | "fieldConfig" | "datasource"> & {
  type: Kind;
  datasource: Source;
  description: string;
  targets: [Target, ...Target[]];
  options: Partial<Options>;
  fieldConfig: FieldConfigSource<Fields>;
};

type Board = Omit<Dashboard, "panels" | "templating" | "annotations"> & {
  panels: (
    | RowPanel
    | Of<"timeseries", TimeSeries, Partial<GraphFieldConfig>>
    | Of<"stat", Stat>
    | Of<"table", Table, Partial<TableFieldOptions>>
    | Of<"heatmap", Heatmap, HeatmapFields>
    | Of<"bargauge", BarGauge>
  )[];
  templating: { list: VariableModel[] };
  annotations: { list: (AnnotationQuery & { expr: string; useValueForTime?: "on"; titleFormat: string; textFormat: string; step: string })[] };
};

export type Checked = Plain<Board>;
