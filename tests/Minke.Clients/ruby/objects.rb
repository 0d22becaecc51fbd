# Objects by kubeclient: patches, apply, pages, custom resources, a token of a service account.
require 'kubeclient'

namespace = ARGV.fetch(0)
context = Kubeclient::Config.read(ENV.fetch('KUBECONFIG')).context
options = { ssl_options: context.ssl_options, auth_options: context.auth_options }
client = Kubeclient::Client.new(context.api_endpoint, 'v1', **options)

def data(object)
  object.data.to_h.map { |key, value| "#{key}=#{value}" }.sort.join(' ')
end

map = Kubeclient::Resource.new(metadata: { name: 'settings', namespace: namespace }, data: { color: 'red', size: 'small' })
puts "created: #{data(client.create_config_map(map))}"
puts "strategic merge: #{data(client.patch_config_map('settings', { data: { shape: 'round' } }, namespace))}"
puts "merge: #{data(client.merge_patch_config_map('settings', { data: { size: nil } }, namespace))}"
puts "json: #{data(client.json_patch_config_map('settings', [{ op: 'replace', path: '/data/color', value: 'blue' }], namespace))}"
stale = client.get_config_map('settings', namespace)
fresh = client.get_config_map('settings', namespace)
fresh.data.color = 'green'
puts "updated: #{data(client.update_config_map(fresh))}"
begin
  client.update_config_map(stale)
rescue Kubeclient::HttpError => e
  puts "#{e.error_code} #{e.message}"
end

applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace: namespace }, data: { a: '1' } }
puts "applied: #{data(client.apply_config_map(applied, field_manager: 'first'))}"
begin
  applied[:data][:a] = '2'
  client.apply_config_map(applied, field_manager: 'second', force: false)
rescue Kubeclient::HttpError => e
  puts "#{e.error_code} #{e.message}"
end
puts "forced: #{data(client.apply_config_map(applied, field_manager: 'second'))}"

5.times { |i| client.create_config_map(Kubeclient::Resource.new(metadata: { name: "page-#{i}", namespace: namespace, labels: { paged: 'yes' } })) }
token = nil
loop do
  page = client.get_config_maps(namespace: namespace, label_selector: 'paged=yes', limit: 2, continue: token)
  puts "page: #{page.map { |item| item.metadata.name }.join(' ')}"
  token = page.continue
  break if page.last?
end

definitions = Kubeclient::Client.new("#{context.api_endpoint}/apis/apiextensions.k8s.io", 'v1', **options)
definitions.create_custom_resource_definition(Kubeclient::Resource.new(
  metadata: { name: 'tasks.ruby.example.com' },
  spec: {
    group: 'ruby.example.com', scope: 'Namespaced', names: { plural: 'tasks', singular: 'task', kind: 'Task' },
    versions: [{
      name: 'v1', served: true, storage: true,
      schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { title: { type: 'string' } } } } } }
    }]
  }
))
watcher = definitions.watch_custom_resource_definitions(name: 'tasks.ruby.example.com')
watcher.each do |notice|
  watcher.finish if (notice.object.status&.conditions || []).any? { |c| c.type == 'Established' && c.status == 'True' }
end
tasks = Kubeclient::Client.new("#{context.api_endpoint}/apis/ruby.example.com", 'v1', **options)
tasks.create_task(Kubeclient::Resource.new(metadata: { name: 'write', namespace: namespace }, spec: { title: 'tests' }))
puts "custom: #{tasks.get_tasks(namespace: namespace).map { |task| "#{task.metadata.name} #{task.spec.title}" }.join}"
definitions.delete_custom_resource_definition('tasks.ruby.example.com')

# kubeclient knows no subresources: the request for a token is made by its REST client.
client.create_service_account(Kubeclient::Resource.new(metadata: { name: 'robot', namespace: namespace }))
request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
answer = client.rest_client["namespaces/#{namespace}/serviceaccounts/robot/token"].post(request.to_json, 'Content-Type' => 'application/json')
token = JSON.parse(answer)['status']['token']
robot = Kubeclient::Client.new(context.api_endpoint, 'v1', ssl_options: { cert_store: context.ssl_options[:cert_store], verify_ssl: OpenSSL::SSL::VERIFY_PEER },
                                                           auth_options: { bearer_token: token })
begin
  robot.get_secrets(namespace: namespace)
rescue Kubeclient::HttpError => e
  puts "#{e.error_code} #{e.message.gsub(namespace, 'NAMESPACE')}"
end
