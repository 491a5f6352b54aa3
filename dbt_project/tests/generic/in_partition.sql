{#- The partition column holds the partition that `column` lies in: the UTC hour or date, or the Monday of its week. -#}
{% test in_partition(model, column) %}
{%- set partitions = partitions_of_model() %}
select *
from {{ model }}
where {{ partitions.column }} <> {{ partition_of(column, partitions.cadence) }}
{% endtest %}
