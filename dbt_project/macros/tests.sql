{#-
dbt's own hook for restricting what a data test reads: `where: __built_partitions__` becomes the partitions being built, by the
partition column that the relation has (hour, day or week); a relation without one is read whole.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if '__built_partitions__' in where and execute -%}
        {%- set names = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
        {%- set found = ['hour', 'day', 'week'] | select('in', names) | list -%}
        {%- set where = where | replace('__built_partitions__', tested_partitions(found[0]) if found else 'true') -%}
    {%- endif -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where }})
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- What is tested of a partition column: the partitions of its own cadence among those built, or those that these overlap. -#}
{% macro tested_partitions(column) %}
    {%- set cadence = cadence_of(column) -%}
    {%- set keys = [] -%}
    {%- for key in built_keys() or [] if ('T' in key) == (cadence == 'hourly') -%}
        {%- do keys.append(key) -%}
    {%- endfor -%}
    {%- if not keys -%}{{ return(built_partitions(column=column)) }}{%- endif -%}
    {%- set conditions = [] -%}
    {%- for key in keys -%}
        {%- set ends = key.split('..') -%}
        {%- set found = [] -%}
        {%- for end in [ends[0], ends[-1]] -%}
            {%- do found.append(partition_literal(modules.datetime.datetime.fromisoformat(end if 'T' not in end else end ~ ':00'), cadence)) -%}
        {%- endfor -%}
        {%- do conditions.append(column ~ ' between ' ~ found[0] ~ ' and ' ~ found[1]) -%}
    {%- endfor -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')') }}
{% endmacro %}
