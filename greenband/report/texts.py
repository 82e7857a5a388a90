"""Every word of the report, in English and Chinese."""

from __future__ import annotations

from typing import Literal, NamedTuple

from greenband.metrics import find_metric

__all__ = ["LANGUAGES", "TEXTS", "Language", "Text", "metric_label", "say", "unit", "verbatim"]

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Text(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str


TEXTS: dict[str, Text] = {
    "title": Text("Signal timing report", "信号配时评估报告"),
    "made_by": Text("Made by greenband {version}", "由 greenband {version} 生成"),
    "skip": Text("Skip to the report", "跳到正文"),
    "contents": Text("Contents", "目录"),
    "other_language": Text("中文", "English"),
    "seeds_count": Text("{count} seeds", "{count} 个随机种子"),
    "seed_count": Text("1 seed", "1 个随机种子"),
    "demand_factor": Text("demand × {factor}", "需求 × {factor}"),
    "sensing_is": Text("sensing {sensing}", "检测方案 {sensing}"),
    # summary
    "summary": Text("Summary", "摘要"),
    "sentence_delay": Text(
        "On {scenario}, {period}, {subject} changes the mean delay of all vehicles from {before} to {after} s"
        " ({difference} s, {share} %; {interval}).",
        "在 {scenario}（{period}）上，{subject} 使全部车辆的平均延误由 {before} 秒变为 {after} 秒"
        "（{difference} 秒，{share} %；{interval}）。",
    ),
    "sentence_speed": Text(
        "The {metric} goes from {before} to {after} km/h ({difference} km/h, {share} %; {interval}), compared with"
        " {reference} on the same traffic.",
        "在相同交通流下与 {reference} 相比，{metric}由 {before} 变为 {after} km/h"
        "（{difference} km/h，{share} %；{interval}）。",
    ),
    "sentence_one_delay": Text(
        "On {scenario}, {period}, {subject} has a mean delay of {after} s per vehicle.",
        "在 {scenario}（{period}）上，{subject} 的平均延误为每车 {after} 秒。",
    ),
    "sentence_one_speed": Text("Its {metric} is {after} km/h.", "其{metric}为 {after} km/h。"),
    "interval": Text("95 % interval {low} to {high}", "95 % 置信区间 {low} 至 {high}"),
    "interval_zero": Text(
        "95 % interval {low} to {high}, so it may be chance", "95 % 置信区间 {low} 至 {high}，可能出于偶然"
    ),
    "no_interval": Text("one seed, so no interval", "仅一个随机种子，无置信区间"),
    "safe": Text("No safety rule was broken in any run.", "各次运行均未违反安全规则。"),
    "unsafe": Text("Broken safety rules, collisions, teleports: {counts}.", "违反安全规则、碰撞、瞬移次数：{counts}。"),
    # table of metrics
    "before_after": Text("Before and after", "前后对比"),
    "before_after_note": Text(
        "Means over seeds with 95 % intervals; Δ is the difference to {reference}, paired by seed; ★ marks the best.",
        "各种子均值及 95 % 置信区间；Δ 为按种子配对与 {reference} 的差值。★ 表示最优均值。",
    ),
    "metric": Text("measure", "指标"),
    "violations": Text("broken safety rules", "违反安全规则"),
    # time-space diagrams
    "time_space": Text("Time-space diagrams", "时距图"),
    "time_space_of": Text(
        "{subject}, {way}: greens of the through movement, every fourth vehicle",
        "{subject}，{way}：直行绿灯与每四辆车中一辆的轨迹",
    ),
    "time_space_note": Text(
        "One run on seed {seed}, {minutes} minutes of it. Thick bars are green at the stop line, thin ones red; each"
        " line is a vehicle; shaded stripes are green bands, in which a vehicle at {speed} % of the speed limit meets"
        " no red.",
        "种子 {seed} 的一次运行，取其中 {minutes} 分钟。粗条为停车线绿灯，细条为红灯；每条线为一辆车；"
        "阴影带为绿波带，以限速的 {speed} % 行驶的车辆在带内不遇红灯。",
    ),
    "green": Text("green", "绿灯"),
    "red": Text("red", "红灯"),
    "vehicle": Text("vehicle", "车辆"),
    "band": Text("green band", "绿波带"),
    "time": Text("time of day", "时刻"),
    "distance": Text("distance along the road, m", "沿路距离（m）"),
    "stretch": Text("stretch", "路段"),
    "bandwidth": Text("bandwidth", "带宽"),
    "of_cycle": Text("of the cycle", "占周期"),
    "no_band": Text(
        "{subject} has no green band: it decides anew from what it measures.",
        "{subject} 无绿波带：它根据检测数据实时决策。",
    ),
    "no_common_cycle": Text(
        "{subject} has no green band: its plans have no common cycle.", "{subject} 无绿波带：各方案周期不同。"
    ),
    "no_wide_band": Text(
        "{subject} has no green band {way}: the offsets leave none of 2 s or more from one signal to the next.",
        "{subject} {way}无绿波带：按其相位差，相邻信号之间均无 2 秒以上的绿波带。",
    ),
    "several_plans": Text(
        "{subject} runs fixed plans. Over {period} several plans follow each other, and green bands are drawn only for"
        " a period of one plan.",
        "{subject} 为固定方案。时段 {period} 内依次执行多个方案，绿波带仅在单一方案的时段绘制。",
    ),
    "no_artery": Text(
        "This scenario has no two signals in a line, so there is no time-space diagram.",
        "该场景没有相邻的两个信号位于同一干线上，因此没有时距图。",
    ),
    "earlier": Text("earlier", "前移"),
    "later": Text("later", "后移"),
    "zoom_in": Text("zoom in", "放大"),
    "zoom_out": Text("zoom out", "缩小"),
    # stages
    "stages": Text("Stages and timing by junction", "各路口相位阶段与配时"),
    "stages_note": Text(
        "Arrows show who has green, dashed where they yield; blue bars are crossings on foot. North is up.",
        "箭头表示获得绿灯的流向，虚线表示需让行；蓝条为行人过街。上方为北。",
    ),
    "stage": Text("stage", "阶段"),
    "cycle_offset": Text("cycle {cycle} s, offset {offset} s", "周期 {cycle} s，相位差 {offset} s"),
    "green_s": Text("green, s", "绿灯（s）"),
    "flash_s": Text("flash, s", "绿闪（s）"),
    "yellow_s": Text("yellow, s", "黄灯（s）"),
    "all_red_s": Text("all-red, s", "全红（s）"),
    "flash": Text("green flash", "绿闪"),
    "yellow": Text("yellow", "黄灯"),
    "all_red": Text("all-red", "全红"),
    "share": Text("share of time", "时间占比"),
    "mean_s": Text("mean length, s", "平均时长（s）"),
    "times": Text("times per hour", "每小时次数"),
    "timing_fixed": Text("{subject}: fixed plan", "{subject}：固定方案"),
    "timing_several": Text(
        "{subject}: several fixed plans one after the other; one run on seed {seed}, each stage with the intergreen"
        " before it",
        "{subject}：依次执行多个固定方案；种子 {seed} 的一次运行，各阶段含其前的绿灯间隔",
    ),
    "timing_adaptive": Text(
        "{subject}: decides as it goes; one run on seed {seed}, each stage with the intergreen before it",
        "{subject}：实时决策；种子 {seed} 的一次运行，各阶段含其前的绿灯间隔",
    ),
    "from_N": Text("from the north", "北进口"),
    "from_NE": Text("from the north-east", "东北进口"),
    "from_E": Text("from the east", "东进口"),
    "from_SE": Text("from the south-east", "东南进口"),
    "from_S": Text("from the south", "南进口"),
    "from_SW": Text("from the south-west", "西南进口"),
    "from_W": Text("from the west", "西进口"),
    "from_NW": Text("from the north-west", "西北进口"),
    "turn_s": Text("straight", "直行"),
    "turn_l": Text("left", "左转"),
    "turn_r": Text("right", "右转"),
    "turn_t": Text("back", "掉头"),
    # places
    "places": Text("Delay and queue by junction and movement", "各路口与流向的延误和排队"),
    "places_note": Text(
        "Means over seeds at the stop lines. Level of service A to F by control delay (HCM).",
        "停车线处各种子均值。服务水平 A 至 F 按控制延误划分（HCM）。",
    ),
    "delay_by_junction": Text("Control delay by junction", "各路口控制延误"),
    "queue_by_junction": Text("Longest queue of a movement by junction", "各路口单一流向最长排队"),
    "delay_axis": Text("control delay, s per vehicle", "控制延误（s/辆）"),
    "queue_axis": Text("longest queue, vehicles", "最长排队（辆）"),
    "junction": Text("junction", "路口"),
    "movement": Text("movement", "流向"),
    "delay": Text("delay, s", "延误（s）"),
    "los": Text("LOS", "服务水平"),
    "queue": Text("queue, veh", "排队（辆）"),
    "movements_of": Text("Movements of {junction}", "{junction} 各流向"),
    # speed by time
    "speed_time": Text("Speed by time", "速度随时间变化"),
    "speed_time_note": Text(
        "Trips by the five minutes in which they were due to depart; one run on seed {seed}.",
        "按计划出发时刻每 5 分钟统计；种子 {seed} 的一次运行。",
    ),
    "speed_axis": Text("speed, km/h", "速度（km/h）"),
    # demand
    "demand": Text("Sensitivity to demand", "对需求的敏感性"),
    "demand_note": Text(
        "Mean delay with 95 % intervals as all flows grow or shrink together.",
        "全部流量同比增减时的平均延误及 95 % 置信区间。",
    ),
    "demand_axis": Text("factor on all flows", "流量系数"),
    "mean_delay_axis": Text("mean delay, s per vehicle", "平均延误（s/辆）"),
    "one_demand": Text(
        "Only demand × {factor} was run. greenband evaluate --demand 0.8,1.0,1.2 adds this figure.",
        "仅评估了需求 × {factor}。使用 greenband evaluate --demand 0.8,1.0,1.2 可生成此图。",
    ),
    # method
    "method": Text("Method, seeds, versions, assumptions", "方法、随机种子、版本与假设"),
    "method_how": Text(
        "Every subject was simulated in SUMO {sumo} by greenband {greenband} on the same seeds ({seeds}), so that"
        " differences are paired. Intervals are 95 % percentile bootstrap intervals of the mean over seeds. Delay is"
        " SUMO's timeLoss plus the time waiting to enter, of motor vehicles due to depart from {begin} to {end}, after"
        " {warmup} minutes of warm-up.",
        "各对象均由 greenband {greenband} 在 SUMO {sumo} 中以相同随机种子（{seeds}）仿真，差值按种子配对。"
        "区间为各种子均值的 95 % 百分位自助法（bootstrap）区间。延误为 SUMO 的 timeLoss 与等待驶入时间之和，"
        "统计 {begin} 至 {end} 计划出发的机动车，预热 {warmup} 分钟。",
    ),
    "method_bare": Text(
        "Every subject was simulated in SUMO {sumo} by greenband {greenband} on the same seeds ({seeds}), so that"
        " differences are paired. Intervals are 95 % percentile bootstrap intervals of the mean over seeds. Delay is"
        " SUMO's timeLoss plus the time waiting to enter.",
        "各对象均由 greenband {greenband} 在 SUMO {sumo} 中以相同随机种子（{seeds}）仿真，差值按种子配对。"
        "区间为各种子均值的 95 % 百分位自助法（bootstrap）区间。延误为 SUMO 的 timeLoss 与等待驶入时间之和。",
    ),
    "incident_was": Text("Incident: {incident}.", "突发事件：{incident}。"),
    "retried": Text("Done at the second attempt: {runs}.", "第二次尝试后完成：{runs}。"),
    "failed": Text("Left out, as SUMO failed twice: {runs}.", "因 SUMO 两次失败而剔除：{runs}。"),
    "assumptions": Text("Assumptions", "假设"),
    "assumptions_note": Text(
        "Grades: A sourced, B inferred from sourced figures, C general knowledge, assumed without a source.",
        "等级：A 有来源；B 由有来源的数据推断；C 一般知识；assumed 为无来源的假设。",
    ),
    "no_assumptions": Text("The scenario states no assumptions.", "该场景未列出假设。"),
    "figure": Text("figure", "数值项"),
    "value": Text("value", "取值"),
    "grade": Text("grade", "等级"),
    "source": Text("source", "来源"),
    # what is missing
    "left_out": Text("Left out", "未包含"),
    "no_scenario": Text(
        "Time-space diagrams, stages, speed by time and assumptions: {reason}",
        "时距图、相位阶段、速度变化与假设未包含：{reason}",
    ),
    "no_sample": Text("What {subject} does in a run: {reason}", "{subject} 的单次运行情况未包含：{reason}"),
    "other_run": Text(
        "The run of {subject} shown here is not the one that was evaluated: its delay is {now} s, not {then} s."
        " Subject, scenario or versions have changed since.",
        "此处显示的 {subject} 运行与当初评估的不同：延误为 {now} 秒而非 {then} 秒。对象、场景或版本已发生变化。",
    ),
    # metrics
    "delay_s": Text("delay", "平均延误"),
    "delay_median_s": Text("median delay", "延误中位数"),
    "delay_p95_s": Text("95th percentile delay", "延误 95 百分位"),
    "mainline_speed_kmh": Text("mainline speed", "干线车速"),
    "way_speed": Text("{way} mainline speed", "{way}干线车速"),
    "speed_kmh": Text("network speed", "路网车速"),
    "travel_time_s": Text("travel time", "行程时间"),
    "stops": Text("stops", "停车次数"),
    "side_delay_s": Text("side-street delay", "支路延误"),
    "throughput_veh": Text("throughput", "通过量"),
    "undeparted_veh": Text("never departed", "未能驶入"),
    "gridlock_share": Text("gridlock share", "拥堵锁死比例"),
    "queue_max_veh": Text("longest queue", "最长排队"),
    "red_wait_max_s": Text("longest red wait", "最长红灯等待"),
    "green_arrivals_share": Text("arrivals on green", "绿灯到达率"),
    "pedestrian_delay_s": Text("pedestrian delay", "行人延误"),
    "ebike_delay_s": Text("e-bike delay", "电动自行车延误"),
    "co2_g_km": Text("CO2", "CO2 排放"),
    "incident_late_s": Text("incident late by", "事件推迟"),
    "unit_s": Text("s", "s"),
    "unit_s/veh": Text("s/veh", "s/辆"),
    "unit_s/person": Text("s/person", "s/人"),
    "unit_s/e-bike": Text("s/e-bike", "s/辆"),
    "unit_km/h": Text("km/h", "km/h"),
    "unit_g/km": Text("g/km", "g/km"),
    "unit_veh": Text("veh", "辆"),
    "unit_per veh": Text("per veh", "次/辆"),
    "unit_of veh": Text("of veh", "占车辆比例"),
    # directions
    "northbound": Text("northbound", "北向"),
    "southbound": Text("southbound", "南向"),
    "eastbound": Text("eastbound", "东向"),
    "westbound": Text("westbound", "西向"),
    "outbound": Text("outbound", "去程"),
    "inbound": Text("inbound", "回程"),
}


def say(key: str, **values: object) -> Text:
    """A text with its values put in; a value that is a ``Text`` itself is put in by language."""
    text = TEXTS[key]
    return Text(*(getattr(text, lang).format(**{k: _in(v, lang) for k, v in values.items()}) for lang in LANGUAGES))


def verbatim(word: str) -> Text:
    """A word that is the same in both languages unless it is a known one, such as a direction's name."""
    return TEXTS.get(word, Text(word, word))


def metric_label(name: str) -> Text:
    """What a metric is called."""
    if name in TEXTS:
        return TEXTS[name]
    way = name.removesuffix("_speed_kmh")
    return say("way_speed", way=verbatim(way.replace("_", " "))) if way != name else verbatim(find_metric(name).label)


def unit(name: str) -> Text:
    """What a metric is counted in."""
    written = find_metric(name).unit
    return TEXTS.get(f"unit_{written}", Text(written, written))


def _in(value: object, language: Language) -> object:
    return getattr(value, language) if isinstance(value, Text) else value
