{#- Which relations have partitions: what dbt's graph knows of the models and sources of the project. -#}

{#- The relation that `events` names: a model, or a source as 'schema.table'. -#}
{% macro events_relation(events) %}
    {{ return(source(*events.split('.')) if '.' in events else ref(events)) }}
{% endmacro %}

{#- The partitions of the model that is built, or of the relation that is tested: {cadence, column, instant, …}. -#}
{% macro partitions_of_model() %}
    {%- set declared = model.get('partitions') or ((model.get('config') or {}).get('meta') or {}).get('partitions') -%}
    {{ return(declared or {'cadence': 'daily', 'column': 'day', 'instant': false}) }}
{% endmacro %}

{#- The partitions of the relation that the model names as its events. -#}
{% macro partitions_of_events() %}
    {%- set events = partitions_of_model().events -%}
    {%- set partitions = partitions_of_relation(events_relation(events)) -%}
    {%- if not partitions -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ': ' ~ events ~ ' has no partitions; name events with a column hour (a timestamp), day or week (dates), '
            ~ 'which the YAML of their source describes with its data_type'
        ) -%}
    {%- endif -%}
    {{ return(partitions) }}
{% endmacro %}

{#- The partitions of a relation that is a model or source of the project; none when it has none. -#}
{% macro partitions_of_relation(relation) %}
    {%- for node in (graph.get('nodes', {}).values() | list) + (graph.get('sources', {}).values() | list)
        if node.get('relation_name') == relation | string -%}
        {{ return(partitions_of_node(node)) }}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}

{#-
A model has the partitions that it declares; a source those of the column hour (a timestamp), day or week (dates) that it
describes; a view those of what it reads, where these agree and the column is one that the view has.
-#}
{% macro partitions_of_node(node) %}
    {%- set config = node.get('config') or {} -%}
    {%- set declared = (config.get('meta') or {}).get('partitions') -%}
    {%- if declared -%}
        {{ return(declared) }}
    {%- endif -%}
    {%- set found = [] -%}
    {%- if node.resource_type == 'source' -%}
        {%- for cadence, kind in cadences().items() if (node.columns.get(kind.column) or {}).get('data_type') == kind.type -%}
            {%- do found.append({'cadence': cadence, 'column': kind.column, 'instant': false}) -%}
        {%- endfor -%}
    {%- elif node.resource_type == 'model' and config.get('materialized') in ('view', 'ephemeral') -%}
        {%- for id in node.depends_on.nodes -%}
            {%- set partitions = partitions_of_node(graph.nodes.get(id) or graph.sources.get(id)) -%}
            {%- set calendar = {'cadence': partitions.cadence, 'column': partitions.column, 'instant': false} if partitions else none -%}
            {%- if calendar not in found -%}
                {%- do found.append(calendar) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set calendar = found[0] if found | length == 1 or node.resource_type == 'source' and found else none -%}
    {{ return(calendar if calendar and (not node.columns or calendar.column in node.columns) else none) }}
{% endmacro %}
